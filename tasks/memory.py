"""How much memory DuckDB may take: it grows with a table's columns, never with its rows, which go to disk instead.

Half a gigabyte to work in, and for each thread and column one row group (122,880 rows of 8 bytes, and half as much
again).
"""

import os

import duckdb

from culpa.tasks.sql import literal

TO_WORK_IN = 500_000_000
PER_COLUMN_AND_THREAD = 1_500_000
SHARE_OF_MACHINE = 0.8


def limit_memory(connection: duckdb.DuckDBPyConnection, wanted: str | None, columns: int) -> None:
    """Set DuckDB's limit to what the user wants, else to what a table of so many columns needs."""
    limit = wanted or f"{_needed(connection, columns) // 1_000_000}MB"
    connection.execute(f"SET memory_limit = {literal(limit)}")


def _needed(connection: duckdb.DuckDBPyConnection, columns: int) -> int:  # bytes
    threads = int(connection.execute("SELECT current_setting('threads')").fetchall()[0][0])
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(TO_WORK_IN + PER_COLUMN_AND_THREAD * columns * threads, int(SHARE_OF_MACHINE * machine))
