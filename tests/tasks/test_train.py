"""Train and score: the right rows reach the models in the right order, and their scores come back under their ids."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from culpa.tasks.errors import BadInput
from culpa.tasks.prepare import ROWS, Part, read_rows
from culpa.tasks.score import score
from culpa.tasks.settings import read_settings
from culpa.tasks.train import Prepared, load_prepared, train
from tests.tasks.tables import animals, ask, ingested, saved
from tests.tasks.test_sources import AWKWARD

FAST: dict[str, Any] = {"proxy": "linear", "rounds": 0}


def trained(source: Any, folder: Path, **options: Any) -> tuple[Prepared, Path]:
    settings = read_settings(source, **{"label": "animal", "store": folder / "culpa.duckdb", **FAST, **options})
    work = train(ingested(source, folder, **{**FAST, **options}), settings)
    return load_prepared(work), work


def scored(source: Any, folder: Path, **options: Any) -> pd.DataFrame:
    settings = read_settings(source, **{"label": "animal", "store": folder / "culpa.duckdb", **FAST, **options})
    run = ingested(source, folder, **{**FAST, **options})
    return pq.read_table(score(run, train(run, settings), settings) / "scores.parquet").to_pandas().set_index("row_id")


def noisy(rows: int = 120) -> pd.DataFrame:
    """Animals that their weight tells apart, but for the first six, whose labels are wrong."""
    frame = animals(rows)
    frame["weight"] += frame["animal"].map({"cat": -6, "dog": 0, "emu": 6})
    frame.loc[:5, "animal"] = ["emu", "cat", "cat", "dog", "emu", "dog"]
    return frame


def test_rows_come_in_an_order_that_the_input_has_no_say_in(tmp_path: Path) -> None:
    found = []
    for name, frame in (("a", animals()), ("b", animals().sample(frac=1, random_state=0))):
        (tmp_path / name).mkdir()
        found.append(trained(frame, tmp_path / name)[0])
    assert found[0].row_ids.tolist() == found[1].row_ids.tolist()
    assert np.array_equal(found[0].rows.features, found[1].rows.features)
    assert found[0].row_ids.tolist() != sorted(found[0].row_ids)


def test_each_row_has_its_own_label_and_features(tmp_path: Path) -> None:
    prepared, _ = trained(animals(), tmp_path, ignore=("colour", "seen", "furry", "legs"))
    place = dict(ask(tmp_path, "SELECT row_id, position FROM rows"))
    frame = animals().iloc[[place[row] for row in prepared.row_ids]]
    assert [prepared.classes[code] for code in prepared.rows.labels] == frame["animal"].tolist()
    assert np.argsort(prepared.rows.features[:, 0]).tolist() == np.argsort(frame["weight"].to_numpy()).tolist()
    assert prepared.rows.features.dtype == np.float32


def test_rows_without_a_label_take_no_part(tmp_path: Path) -> None:
    frame = animals()
    frame.loc[:9, "animal"] = None
    prepared, _ = trained(frame, tmp_path)
    assert len(prepared.rows) == len(prepared.row_ids) == 50
    assert set(prepared.row_ids) == {row for (row,) in ask(tmp_path, "SELECT row_id FROM rows WHERE given_label <> ''")}


def test_rows_with_exactly_the_same_features_share_a_group(tmp_path: Path) -> None:
    prepared, _ = trained(pd.concat([animals(), animals()[:6]]), tmp_path)
    sizes = np.bincount(prepared.rows.groups)
    assert sorted(sizes) == [1] * 54 + [2] * 6


@pytest.mark.parametrize("chunk_rows", [7, 1000])
def test_the_chunk_bounds_the_memory_and_not_the_answer(tmp_path: Path, chunk_rows: int) -> None:
    whole = trained(animals(), tmp_path)[0].rows.features.copy()
    assert np.array_equal(trained(animals(), tmp_path, chunk_rows=chunk_rows)[0].rows.features, whole)


def test_every_type_that_is_used_reaches_the_models_as_finite_numbers(tmp_path: Path) -> None:
    columns = {name: pa.chunked_array([values] * 20) for name, values in AWKWARD.items()}
    table = pa.table({**columns, "animal": ["cat", "dog"] * 30, "size": np.random.default_rng(0).normal(size=60)})
    prepared, _ = trained(table, tmp_path)
    [(described,)] = ask(tmp_path, "SELECT columns FROM runs")
    left_out = [column["name"] for column in json.loads(described) if not column["used"]]
    nested = ["list", "large list", "fixed list", "list of structs"]
    assert left_out == [*nested, "bytes", "fixed bytes", "nothing", "animal"]
    assert np.isfinite(prepared.rows.features).all()


def test_trusted_rows_are_read_with_the_same_features(tmp_path: Path) -> None:
    reference = saved(animals()[::-1][:30].assign(extra=1), tmp_path / "trusted.csv")
    prepared, _ = trained(animals(), tmp_path, reference=reference)
    assert prepared.reference is not None
    assert prepared.reference_ids is not None
    assert prepared.judging is not None
    assert (len(prepared.reference), len(prepared.judging)) == (15, 15)  # one half scores, the other is the gate's
    here = {row: tuple(values) for row, values in zip(prepared.row_ids, prepared.rows.features, strict=True)}
    for row, values in zip(prepared.reference_ids, prepared.reference.features, strict=True):
        assert here[row] == pytest.approx(tuple(values))


def test_numbers_to_predict_stay_numbers(tmp_path: Path) -> None:
    frame = animals().assign(animal=lambda table: 2 * table["weight"] + np.random.default_rng(1).normal(size=60))
    prepared, work = trained(frame, tmp_path)
    assert prepared.rows.classes == 0
    given = dict(ask(tmp_path, "SELECT row_id, CAST(given_label AS DOUBLE) FROM rows"))
    assert prepared.rows.labels.tolist() == [given[row] for row in prepared.row_ids]
    assert not (work / "rows.columns.parquet").exists()


def test_columns_that_vary_in_rows_without_a_label_only_are_bad_input(tmp_path: Path) -> None:
    frame = pd.DataFrame({"size": [1] * 50 + [2] * 10, "animal": ["cat", "dog"] * 25 + [None] * 10})
    with pytest.raises(BadInput, match="the columns cannot be turned into features: none of the columns 'size' varies"):
        trained(frame, tmp_path)


def test_every_labelled_row_is_scored_under_its_own_id(tmp_path: Path) -> None:
    found = scored(noisy(), tmp_path)
    wrong = [row for (row,) in ask(tmp_path, "SELECT row_id FROM rows WHERE position < 6")]
    assert set(found.index) == {row for (row,) in ask(tmp_path, "SELECT row_id FROM rows")}
    assert set(found["suspicion"].nlargest(6).index) == set(wrong)
    truth = animals(120)["animal"][:6].tolist()
    assert found.loc[wrong, "suggested_label"].tolist() == truth


def test_permuting_the_input_permutes_the_scores(tmp_path: Path) -> None:
    found = []
    for name, frame in (("a", noisy()), ("b", noisy().sample(frac=1, random_state=0))):
        (tmp_path / name).mkdir()
        found.append(scored(frame, tmp_path / name).sort_index())
    pd.testing.assert_frame_equal(found[0], found[1])


def test_suggestions_for_a_number_are_numbers(tmp_path: Path) -> None:
    frame = animals().assign(animal=lambda table: 2 * table["weight"] + np.random.default_rng(1).normal(size=60))
    suggested = scored(frame, tmp_path)["suggested_label"].astype(float)
    assert suggested.notna().all()


def test_scores_per_proxy_and_the_record_of_the_rounds_lie_beside(tmp_path: Path) -> None:
    frame = noisy()
    settings = read_settings(frame, label="animal", store=tmp_path / "culpa.duckdb", proxy="neighbors", rounds=1)
    run = ingested(frame, tmp_path, proxy="neighbors", rounds=1)
    heard: list[tuple[str, float]] = []
    work = train(run, settings, lambda what, done: heard.append((what, done)))
    score(run, work, settings)
    proxies = pq.read_table(work / "proxy_scores.parquet").to_pandas()
    assert proxies["proxy"].tolist() == ["neighbors"] * 120
    assert proxies["probability_without"].between(0, 1).all()
    ids = set(proxies["row_id"])
    for one in json.loads((work / "rounds.json").read_text()):
        assert set(one["rows"]) <= ids
    assert json.loads((work / "report.json").read_text())["reference"] == "folds"
    assert heard


def test_the_matrix_is_mapped_from_its_file_and_not_copied(tmp_path: Path) -> None:
    _, work = trained(animals(), tmp_path)
    rows, _ = read_rows(Part(work, ROWS), ("cat", "dog", "emu"))
    assert isinstance(rows.features, np.memmap)
