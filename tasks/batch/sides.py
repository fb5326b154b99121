"""The sides of a batch: the rows that it brings, and accepted rows of its data set that stand beside them.

A batch is trained and judged among accepted rows: four for each of its own, and five thousand where there are so many.
So its cost follows its own size, whatever the size of the data set; a small data set stands beside it whole.
"""

from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from culpa.influence.features import Role
from culpa.tasks.prepare import Part, column_list
from culpa.tasks.runs import Run
from culpa.tasks.sql import filled, literal, quoted
from culpa.tasks.views import use_current_views

__all__ = ["KNOWN", "REFUSED", "REFUSED_BESIDE", "REFUSED_ROWS", "count", "order_sides", "sort_rows"]

BESIDE = 4  # accepted rows for each row of the batch,
LEAST_BESIDE = 5_000  # and so many in any case
KNOWN = "known.parquet"  # rows whose scores are carried on: row_id, from_run

REFUSED = "refused"  # the part of refused rows
REFUSED_ROWS = "SELECT *, false AS is_fresh FROM refused"
REFUSED_BESIDE = """SELECT *, false AS is_fresh FROM refused ORDER BY md5(row_id), row_id
    LIMIT (SELECT ceil((SELECT count(*) FROM refused) * (SELECT count(*) FROM beside)
                       / greatest((SELECT count(*) FROM accepted), 1)))"""
SIDES = "SELECT *, true AS is_fresh FROM fresh UNION ALL BY NAME SELECT *, false AS is_fresh FROM beside"


def sort_rows(connection: duckdb.DuckDBPyConnection, run: Run, folder: Path) -> None:
    """Sort the rows of the batch into the temporary tables known, accepted, fresh and beside."""
    use_current_views(connection)
    names = {"run": literal(run.run_id), "dataset": literal(run.dataset)}
    known = "known_before" if run.state == "ingested" or run.forgotten_at is not None else "known_since"
    counts = {"times": str(BESIDE), "least": str(LEAST_BESIDE)}
    connection.execute(filled("batch/sides", known=filled(f"batch/{known}", **names), **names, **counts))
    pq.write_table(connection.sql("SELECT * FROM known ORDER BY row_id").to_arrow_table(), folder / KNOWN)


def order_sides(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    roles: dict[str, Role],
    types: dict[str, str],
    part: Part,
    rows: str = SIDES,
) -> None:
    """Copy rows of the temporary tables, by a query, into the part's file of columns; `sort_rows` came before."""
    connection.execute(
        filled(
            "batch/order_rows",
            rows=rows,
            data=quoted(run.data_table),
            columns=column_list(roles, types),
            file=literal(str(part.columns)),
        )
    )


def count(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    """How many rows one of the temporary tables, or a query in brackets, holds."""
    return int(connection.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0])
