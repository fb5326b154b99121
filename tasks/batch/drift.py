"""Drift: a batch that differs from its data set is told by name, which of its sources, and since when.

A source is a value of the column that the user names for it, else the batch's own file, with its numbers left out so
that the next day's file counts as the same source.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from culpa.influence.drift import Compared, Drift, find_drifts
from culpa.tasks.runs import Run
from culpa.tasks.sql import filled, literal, quoted, statement
from culpa.tasks.views import stored_columns

if TYPE_CHECKING:
    from culpa.tasks.train import Prepared

__all__ = ["copy_sources", "note_drifts", "source_of", "write_drifts"]

FILE, SOURCES = "drifts.parquet", "sources.parquet"
LINES = pa.schema(
    [
        ("source", pa.string()),
        ("what", pa.string()),
        ("rows", pa.int64()),
        ("expected", pa.float64()),
        ("found", pa.float64()),
        ("statistic", pa.float64()),
        ("p_value", pa.float64()),
    ]
)


def source_of(name: str) -> str:
    """The source that a file is from: its name, with `*` for every number in it.

    >>> source_of("in/site-a_2026-11-25.parquet")
    'site-a_*-*-*.parquet'
    """
    return re.sub(r"\d+", "*", Path(name).name)


def copy_sources(connection: duckdb.DuckDBPyConnection, run: Run, folder: Path, column: str | None) -> None:
    """Copy which source each fresh row is from into the work folder: row_id, source."""
    if column is None:
        value = literal(source_of(run.source))
    else:
        stored = dict(zip(run.schema.names, stored_columns(connection, run.data_table), strict=True))
        value = f"coalesce(CAST(data.{quoted(stored[column])} AS VARCHAR), '')"
    query = f"""SELECT f.row_id, {value} AS source FROM fresh f JOIN {quoted(run.data_table)} data
                ON data.__row_id = f.row_id AND data.__row_hash = f.row_hash"""
    pq.write_table(connection.sql(query).to_arrow_table(), folder / SOURCES)


def note_drifts(prepared: "Prepared", compared: Compared) -> None:
    """Compare the fresh rows, source by source, with what is usual; what differs waits in the work folder."""
    assert prepared.is_fresh is not None
    sources = _sources(prepared.folder, prepared.row_ids[prepared.is_fresh])
    lines = [
        _line(str(source), one, prepared.classes)
        for source in np.unique(sources)
        for one in find_drifts(compared.usual, compared.batch.take(sources == source))
    ]
    pq.write_table(pa.Table.from_pylist(lines, schema=LINES), prepared.folder / FILE)


def write_drifts(connection: duckdb.DuckDBPyConnection, run: Run, folder: Path) -> None:
    """Replace the run's drifts in the store, and warn of them; nothing to do for a run that is no batch."""
    if not (folder / FILE).is_file():
        return
    connection.register("new_drifts", pq.read_table(folder / FILE))
    connection.execute(filled("batch/write_drifts", run=literal(run.run_id), onto=literal(str(run.onto))))
    warned = [text for (text,) in connection.execute(statement("batch/drift_warnings"), [run.run_id]).fetchall()]
    other = "list_filter(CAST(warnings AS VARCHAR[]), lambda one: NOT starts_with(one, 'drift: '))"
    told = f"UPDATE runs SET warnings = to_json(list_concat({other}, ?)) WHERE run_id = ?"
    connection.execute(told, [warned, run.run_id])


def _sources(folder: Path, row_ids: NDArray[Any]) -> NDArray[Any]:
    known = dict(zip(*pq.read_table(folder / SOURCES).to_pydict().values(), strict=True))
    return np.array([known[str(row)] for row in row_ids], dtype=object)


def _line(source: str, one: Drift, classes: tuple[str, ...]) -> dict[str, Any]:
    what = one.what if one.pair is None else f"{classes[one.pair[0]]} -> {classes[one.pair[1]]}"
    numbers = {name: getattr(one, name) for name in ("rows", "expected", "found", "statistic", "p_value")}
    return {"source": source, "what": what, **numbers}
