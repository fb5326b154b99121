"""What has been done so far: the runs in a store, and reading it in SQL without the chance of changing it."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from culpa.tasks.errors import BadInput
from culpa.tasks.sql import statement
from culpa.tasks.store import connect

READING = {duckdb.StatementType.SELECT}
UNANSWERED = {duckdb.StatementType.MULTI, duckdb.StatementType.PRAGMA, duckdb.StatementType.CALL}  # may only read


@dataclass(frozen=True)
class Run:
    """One row of the table `runs`, with its JSON read."""

    run_id: str
    dataset: str
    state: str  # ingested, flagged or published
    source: str
    label: str
    key_column: str | None
    task: str  # classification or regression
    settings: dict[str, Any]
    versions: dict[str, Any]
    data_fingerprint: str
    reference_fingerprint: str | None  # None: no trusted file
    data_table: str
    reference_table: str | None
    reference_sets: tuple[dict[str, str], ...]  # name and table of each set of reference rows; the first judges
    schema: pa.Schema = field(repr=False)  # the input's exact schema
    classes: tuple[str, ...]  # label texts in code order; empty for regression
    row_count: int
    unlabelled_count: int
    report: dict[str, Any] | None = field(repr=False)
    created_at: datetime
    flagged_at: datetime | None
    published_at: datetime | None
    out: str | None
    onto: str | None  # of a batch: the full run that it came onto
    keeps_data: bool  # False: the store holds only ids, hashes, labels and scores of its rows
    forgotten_at: datetime | None  # when its scores were pruned; None: they are there


def find_run(connection: duckdb.DuckDBPyConnection, run_id: str) -> Run:
    """The run of this id, or of the only id that starts so; BadInput names the runs there are."""
    found = records(connection, "SELECT * FROM runs WHERE starts_with(run_id, ?) ORDER BY run_id", [run_id])
    exact = [run for run in found if run["run_id"] == run_id] or found
    if len(exact) == 1 and run_id:
        return _run(exact[0])
    if len(exact) > 1 and run_id:
        raise BadInput(
            f"{run_id!r} starts {len(exact)} runs ({', '.join(run['run_id'] for run in exact[:5])}): give more of it"
        )
    last = records(connection, "SELECT run_id FROM runs ORDER BY created_at DESC LIMIT 5")
    known = ", ".join(run["run_id"] for run in last) or "none yet; `culpa flag` makes one"
    raise BadInput(f"there is no run {run_id!r} in this store; the latest are: {known}")


def check_judged_by_rule(run: Run) -> None:
    """Refuse a run that has no tags and scores to go by: BadInput says why it has none, and what makes them."""
    if run.state == "ingested":
        raise BadInput(
            f"run {run.run_id} has not been flagged yet: run `culpa flag` or `culpa clean` on its data again"
        )
    if run.forgotten_at is not None:
        raise BadInput(
            f"the scores of run {run.run_id} were pruned on {run.forgotten_at:%Y-%m-%d}, so it is not published again: "
            "run `culpa flag` or `culpa clean` on its data to score them anew"
        )


def list_runs(store: Path) -> list[dict[str, Any]]:
    """Every run, the newest first: id, data set, state, times, how many rows it tagged, dropped and relabelled."""
    with connect(store, read_only=True) as connection:
        return records(connection, statement("list_runs"))


def query(store: Path, sql: str) -> pa.Table:
    """The answer to one SQL query on the store, which is opened for reading only.

    Errors: BadInput for anything that would write, for several statements, and for SQL that DuckDB cannot read.
    """
    check_reads_only(sql)
    with connect(store, read_only=True) as connection:
        try:
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise BadInput(f"DuckDB cannot answer this query: {error}") from error


def check_reads_only(sql: str) -> None:
    """Refuse what is not one single query."""
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise BadInput(f"DuckDB cannot read this SQL: {error}") from error
    if len(statements) != 1:
        raise BadInput(f"needed one SQL query, got {len(statements)} statements: ask them one at a time")
    kind = _explained(statements[0].query) if statements[0].type.name == "EXPLAIN" else statements[0].type
    if kind in UNANSWERED:
        raise BadInput(
            "only one SELECT is answered here (or EXPLAIN of one): name the values of a PIVOT, as in ON x IN (...), "
            "write SELECT * FROM f() for CALL and PRAGMA, or open the store in any DuckDB tool"
        )
    if kind not in READING:
        raise BadInput(
            f"this only reads, and {kind.name} writes or changes something: use `culpa decide` for "
            "decisions, or open the store in any DuckDB tool"
        )


def _explained(sql: str) -> duckdb.StatementType:
    """What is behind EXPLAIN and its options: EXPLAIN ANALYZE runs it, whatever it is."""
    for start, _ in duckdb.tokenize(sql)[1:]:
        with suppress(duckdb.Error):
            return duckdb.extract_statements(sql.encode()[start:].decode())[0].type
    return duckdb.StatementType.EXPLAIN


def _run(record: dict[str, Any]) -> Run:
    known = {name: record[name] for name in Run.__dataclass_fields__ if name in record}
    known |= {name: json.loads(record[name]) for name in ("settings", "versions")}
    known["report"] = json.loads(record["report"]) if record["report"] else None
    known["reference_sets"] = tuple(json.loads(record["reference_sets"]))
    known["classes"] = tuple(json.loads(record["classes"]))
    known["schema"] = pa.ipc.read_schema(pa.py_buffer(record["arrow_schema"]))
    return Run(**known)


def records(
    connection: duckdb.DuckDBPyConnection, sql: str, values: list[Any] | dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The answer of a query, a dictionary for each line."""
    found = connection.execute(sql, values or [])
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
