"""Check: planted labels, the self-test and faithfulness of a whole run, and what the rule makes of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from culpa.tasks.proving.check import check
from culpa.tasks.score import score
from culpa.tasks.settings import read_settings
from culpa.tasks.tag import tag
from culpa.tasks.train import train
from tests.tasks.small_store import HARMFUL, ask, small_run
from tests.tasks.tables import ingested
from tests.tasks.test_rule import harmful_rows, table_of


def pets(rows: int = 300, wrong: int = 30, seed: int = 0) -> pd.DataFrame:
    """Three animals that their measures tell apart; the first `wrong` rows bear another name."""
    chance = np.random.default_rng(seed)
    kinds = chance.integers(0, 3, rows)
    measures = 1.5 * np.random.default_rng(99).normal(size=(3, 4))[kinds] + chance.normal(size=(rows, 4))
    given = np.where(np.arange(rows) < wrong, (kinds + chance.integers(1, 3, rows)) % 3, kinds)
    return pd.DataFrame(
        {**{f"m{k}": measures[:, k] for k in range(4)}, "animal": np.array(["cat", "dog", "emu"])[given]}
    )


def checked(frame: pd.DataFrame, folder: Path, **options: Any) -> tuple[Path, dict[str, Any]]:
    """The work folder of a run after checking, and its report; tagged as well."""
    options = {"proxy": "linear", "rounds": 0, **options}
    settings = read_settings(frame, label="animal", store=folder / "culpa.duckdb", **options)
    run = ingested(frame, folder, **options)
    work = check(run, score(run, train(run, settings), settings), settings)
    tag(run, work, settings)
    return work, json.loads((work / "report.json").read_text())


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("trusted")
    pets(100, 0, seed=1).to_parquet(folder / "good.parquet")
    checked(pets(), folder, reference=str(folder / "good.parquet"))
    report = ask(folder / "culpa.duckdb", "SELECT report FROM runs")[0][0]
    return folder, json.loads(report)


def test_the_wrong_labels_lie_within_the_interval(trusted: tuple[Path, dict[str, Any]]) -> None:
    found = trusted[1]["calibration"]
    assert found["wrong_low"] <= 30 <= found["wrong_high"]
    assert found["planted"] >= 45
    assert found["sample"] == 300
    for kind in ("uniform", "confusion"):
        assert 0 <= found["kinds"][kind]["recall_low"] <= found["kinds"][kind]["recall_high"] <= 1


def test_the_precision_of_the_flagged_rows_lies_within_the_interval(trusted: tuple[Path, dict[str, Any]]) -> None:
    folder, report = trusted
    right = ask(
        folder / "culpa.duckdb",
        "SELECT count(*), avg(CAST(position < 30 AS INTEGER)) FROM tags JOIN rows USING (run_id, row_id) WHERE harmful",
    )
    flagged, precision = right[0]
    assert flagged == report["calibration"]["flagged"] > 10
    assert report["calibration"]["precision_low"] <= precision <= report["calibration"]["precision_high"]


def test_the_store_says_what_every_budget_finds(trusted: tuple[Path, dict[str, Any]]) -> None:
    lines = ask(trusted[0] / "culpa.duckdb", "SELECT budget, precision_expected, suspicion FROM calibration ORDER BY 1")
    flagged = trusted[1]["calibration"]["flagged"]
    assert [budget for budget, _, _ in lines] == sorted({1, 2, 5, 10, 20, 50, 100, 200, 300, flagged})
    for place in (1, 2):
        values = [line[place] for line in lines]
        assert values == sorted(values, reverse=True)


def test_copies_of_trusted_rows_help_and_flipped_ones_harm(trusted: tuple[Path, dict[str, Any]]) -> None:
    found = trusted[1]["self_test"]
    assert found["passed"]
    assert found["reference_rows"] == 50


def test_retraining_bears_out_what_the_linear_proxy_foretells(trusted: tuple[Path, dict[str, Any]]) -> None:
    folder, report = trusted
    assert report["faithfulness"]["faithful"]
    assert report["faithfulness"]["spearman"] > 0.95
    kinds = ask(
        folder / "culpa.duckdb",
        """SELECT kind, count(*), count(row_id), count(r.row_id)
           FROM faithfulness LEFT JOIN rows r USING (run_id, row_id) GROUP BY kind ORDER BY kind""",
    )
    assert kinds == [("dropped", 1, 0, 0), ("row", 20, 20, 20)]


def test_without_trusted_rows_folds_are_checked(tmp_path: Path) -> None:
    _, report = checked(pets(), tmp_path)
    assert report["self_test"]["passed"]
    assert report["faithfulness"]["spearman"] > 0.95
    assert report["calibration"]["wrong_low"] <= 30 <= report["calibration"]["wrong_high"]


def test_numbers_are_checked_too(tmp_path: Path) -> None:
    frame = pets(wrong=0)
    chance = np.random.default_rng(0)
    frame["animal"] = frame["m0"] + 0.1 * chance.normal(size=300)
    frame.loc[:29, "animal"] += chance.choice([-4.0, 4.0], 30)
    _, report = checked(frame, tmp_path)
    assert report["self_test"]["passed"]
    assert report["calibration"]["wrong_low"] <= 30 <= report["calibration"]["wrong_high"]
    assert report["faithfulness"]["spearman"] > 0.95


def test_too_few_rows_are_skipped_with_a_sentence(tmp_path: Path) -> None:
    work, report = checked(pets(120), tmp_path)
    for name in ("calibration", "self_test", "faithfulness"):
        assert report[name] == {"skipped": "120 labelled rows came, needed 200 or more"}
    assert not (work / "calibration.parquet").exists()
    assert ask(tmp_path / "culpa.duckdb", "SELECT count(*) FROM calibration") == [(0,)]


def test_each_check_can_be_switched_off(tmp_path: Path) -> None:
    work, report = checked(pets(), tmp_path, calibrate=False)
    assert "skipped" in report["calibration"]
    assert "skipped" in report["self_test"]
    assert len(pq.read_table(work / "faithfulness.parquet")) > 5


def unfaithful(folder: Path, faithful: bool) -> list[str]:
    """Harmful rows of a run with trusted rows: r0 is significant alone, r1 contradicted too."""
    scores = {"r0": {**HARMFUL, "probability_wrong": 0.1}, "r1": HARMFUL}
    run = small_run(folder, table_of(10), scores, trusted=True)
    (run.folder / "report.json").write_text(json.dumps({"faithfulness": {"faithful": faithful}}))
    run.tag()
    reasons = dict(ask(run.store, "SELECT row_id, reason FROM tags"))
    assert ("did not bear out" in reasons["r1"]) == (not faithful)
    return harmful_rows(run)


def test_significance_condemns_no_row_where_influence_is_not_faithful(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert unfaithful(tmp_path / "a", True) == ["r0", "r1"]
    assert unfaithful(tmp_path / "b", False) == ["r1"]
