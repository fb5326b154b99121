"""Score: ask the trained proxies about every labelled row, and write the answers as Parquet for the store."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from culpa.influence.assess import Progress, Scored, score_rows
from culpa.influence.scoring import Columns
from culpa.tasks.batch.score import fresh_of, score_batch
from culpa.tasks.batch.told import told_of_batch
from culpa.tasks.runs import find_run
from culpa.tasks.settings import Settings
from culpa.tasks.store import connect
from culpa.tasks.train import RUN, Prepared, load_prepared

if TYPE_CHECKING:
    from culpa.tasks.ingest import Ingested

PER_PROXY = ("probability_without", "memorization", "self_influence", "influence", "influence_se")


def score(ingested: "Ingested", trained: Path, settings: Settings, progress: Progress | None = None) -> Path:
    """Score the rows of the work folder `trained`; of a batch those that it brings.

    Gives the same folder, then with scores, proxy_scores and learning as Parquet, rounds and report as JSON.
    """
    if ingested.onto is not None:
        _score_batch(ingested.run_id, ingested.onto, trained, settings, progress)
        return trained
    prepared = load_prepared(trained)
    scored = score_rows(
        prepared.trained,
        prepared.rows,
        reference=prepared.reference,
        others=prepared.others,
        folds=settings.folds,
        progress=progress,
    )
    _write(scored, prepared, trained)
    return trained


def _score_batch(run_id: str, onto: str, folder: Path, settings: Settings, progress: Progress | None) -> None:
    """Score what a batch brings, if it brings anything; the scores of rows that were scored before stay as they are."""
    said: dict[str, Any] = {"fresh": 0}
    if (folder / RUN).is_file():
        prepared = load_prepared(folder)
        scored = score_batch(run_id, onto, prepared, settings, progress or (lambda what, done: None))
        _write(scored, fresh_of(prepared), folder)
        said = {"fresh": len(fresh_of(prepared).row_ids), **scored.report}
    with connect(settings.store, read_only=True) as connection:
        whole = find_run(connection, onto)
    write_json(folder / "report.json", {**said, **told_of_batch(whole.report or {}, onto)})


def _write(scored: Scored, prepared: Prepared, folder: Path) -> None:
    write_scores(scored, prepared, folder)
    write_json(folder / "rounds.json", [_round(one, prepared.row_ids) for one in scored.rounds])
    write_json(folder / "report.json", scored.report)


def write_scores(scored: Scored, prepared: Prepared, folder: Path) -> None:
    """Everything that rows got, as the Parquet files that the rule reads."""
    pq.write_table(_scores(scored, prepared), folder / "scores.parquet")
    pq.write_table(_proxy_scores(scored, prepared), folder / "proxy_scores.parquet")
    learning, influences = (
        _lines(scored.learning, "proxy", prepared),
        _lines(scored.by_reference, "reference", prepared),
    )
    pq.write_table(learning, folder / "learning.parquet")
    pq.write_table(influences, folder / "reference_influences.parquet")


def write_json(file: Path, content: Any) -> None:
    """What a run reports, numpy's numbers and arrays as JSON's."""
    file.write_text(json.dumps(content, default=_plain), encoding="utf-8")


def _scores(scored: Scored, prepared: Prepared) -> pa.Table:
    columns: dict[str, Any] = {"row_id": pa.array(prepared.row_ids, pa.string())}
    for name, values in scored.scores.items():
        if name == "suggested":
            columns["suggested_label"] = _label_texts(values, prepared.classes)
        else:
            columns[name] = pa.array(np.asarray(values, dtype=np.float64))
    return pa.table(columns)


def _label_texts(suggested: NDArray[Any], classes: tuple[str, ...]) -> pa.Array:
    """Codes as the classes' texts, numbers as DuckDB writes them; a code below 0 or a NaN suggests nothing."""
    if not classes:
        return pc.cast(pa.array(np.asarray(suggested, dtype=np.float64), from_pandas=True), pa.string())
    codes = pa.array(np.asarray(suggested, dtype=np.int64), mask=np.asarray(suggested) < 0)
    return pa.array(classes, pa.string()).take(codes)


def _proxy_scores(scored: Scored, prepared: Prepared) -> pa.Table:
    """One line a row and proxy; a score that a proxy does not have is missing."""
    ids = pa.array(prepared.row_ids, pa.string())
    tables = []
    for proxy, found in scored.by_proxy.items():
        missing = np.full(len(ids), np.nan)
        numbers = {name: pa.array(np.asarray(found.get(name, missing), dtype=np.float64)) for name in PER_PROXY}
        tables.append(pa.table({"row_id": ids, "proxy": pa.array([proxy] * len(ids), pa.string()), **numbers}))
    return pa.concat_tables(tables)


def _lines(found: Mapping[str, Columns], of: str, prepared: Prepared) -> pa.Table:
    """One line for each row and name, the name in the column `of`; the empty table where nothing was found."""
    ids = pa.array(prepared.row_ids, pa.string())
    tables = [
        pa.table({"row_id": ids, of: pa.array([name] * len(ids), pa.string()), **columns})
        for name, columns in found.items()
    ]
    return pa.concat_tables(tables) if tables else pa.table({"row_id": ids[:0], of: ids[:0]})


def _round(one: dict[str, Any], row_ids: NDArray[Any]) -> dict[str, Any]:
    """A round with the ids of the rows that it removed instead of their positions."""
    if "rows" not in one:
        return one
    return {**one, "rows": [str(row) for row in row_ids[np.asarray(one["rows"], dtype=np.int64)]]}


def _plain(value: Any) -> Any:
    """What JSON does not know by itself: numpy's numbers and arrays."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a report holds a {type(value).__name__}, needed numbers, texts, lists and dictionaries")
