"""Writes the two sides of a plan, a chunk at a time: rows that stay to the clean file, the others to the quarantine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from culpa.tasks.formats import TableWriter, writing
from culpa.tasks.outputs import Drafts
from culpa.tasks.places import Places
from culpa.tasks.publishing.balance import Side, check_balance, weigh, weigh_input
from culpa.tasks.publishing.plan import label_column
from culpa.tasks.publishing.restore import restored, select_list
from culpa.tasks.runs import Run
from culpa.tasks.sql import quoted
from culpa.tasks.views import file_names, relabelled_sql, stored_columns

CHUNK_ROWS = 100_000  # rows in memory at a time, and in a Parquet row group: part of the bytes, so no setting
FATE = ("outcome", "checksum", "row_id", "tag", "reason")

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Drafted:
    """One complete draft and what lies in it."""

    path: Path
    side: Side


def write_sides(
    connection: duckdb.DuckDBPyConnection, run: Run, places: Places, drafts: Drafts, progress: Progress | None
) -> dict[str, Drafted]:
    """Draft the quarantine, then the clean file, and check that together they are the input."""
    quarantine, clean = drafts.draft(places.quarantine), drafts.draft(places.clean)
    stay, go = Side(), Side()
    with (
        writing(quarantine, places.quarantine, quarantine_schema(run)) as taken_out,
        writing(clean, places.clean, run.schema) as kept,
    ):
        for chunk in _chunks(connection, run, progress):
            gone = pc.equal(chunk["outcome"], "dropped")
            stay += _write_clean(kept, chunk.filter(pc.invert(gone)), run)
            go += _write_quarantine(taken_out, chunk.filter(gone), run)
    check_balance(run, weigh_input(connection, run), stay, go)
    return {"clean": Drafted(clean, stay), "quarantine": Drafted(quarantine, go)}


def quarantine_schema(run: Run) -> pa.Schema:
    """The input's columns, then row_id, tag, reason, run."""
    ours = file_names(run.schema, ["row_id", "tag", "reason", "run"])
    return pa.schema([*run.schema, *(pa.field(name, pa.string()) for name in ours)])


def _chunks(connection: duckdb.DuckDBPyConnection, run: Run, progress: Progress | None) -> Iterator[pa.Table]:
    """The rows in the input's order: their FATE, then their own columns with the label as people want it."""
    stored = stored_columns(connection, run.data_table)
    label, kind = label_column(connection, run)
    columns = select_list(run.schema, list(stored), {run.label: relabelled_sql(label, kind, "plan")})
    sql = f"""SELECT {", ".join(f"plan.{name}" for name in FATE)}, {columns}
              FROM plan JOIN {quoted(run.data_table)} data
                ON data.__row_id = plan.row_id AND data.__row_hash = plan.row_hash
              WHERE plan.position >= $first AND plan.position < $last ORDER BY plan.position"""
    for first in range(0, run.row_count, CHUNK_ROWS):
        yield connection.sql(sql, params={"first": first, "last": first + CHUNK_ROWS}).to_arrow_table()
        if progress is not None:
            progress("publish", min(1.0, (first + CHUNK_ROWS) / run.row_count))


def _write_clean(writer: TableWriter, rows: pa.Table, run: Run) -> Side:
    if rows.num_rows:
        writer.write_table(restored(_own(rows), run.schema))
    return weigh(rows["checksum"])


def _write_quarantine(writer: TableWriter, rows: pa.Table, run: Run) -> Side:
    if rows.num_rows:
        runs = pa.array([run.run_id] * rows.num_rows, pa.string())
        columns = [*restored(_own(rows), run.schema).columns, rows["row_id"], rows["tag"], rows["reason"], runs]
        writer.write_table(pa.Table.from_arrays(columns, schema=quarantine_schema(run)))
    return weigh(rows["checksum"])


def _own(rows: pa.Table) -> pa.Table:
    return rows.select(range(len(FATE), rows.num_columns))
