"""One SQL query by a reviewer: it cannot write, cannot reach files or the network, and ends after some seconds.

While it runs no flow can write, which is why its time is short.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.runs import check_reads_only
from culpa.tasks.store import connect

__all__ = ["MOST_LINES", "Answer", "ask"]

MOST_LINES = 500
SECONDS = 5.0
LONGEST = 300  # characters of one cell
LOCKS = (
    "SET enable_external_access = false",
    "SET memory_limit = '1GB'",
    "SET max_temp_directory_size = '0KB'",  # nothing spills to the disk
    "SET lock_configuration = true",
)


@dataclass(frozen=True)
class Answer:
    """A table of texts; `more` says that lines were left out."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    more: bool


def ask(store: Path, sql: str, *, seconds: float = SECONDS, wait_seconds: float = 2.0) -> Answer:
    """The first lines of the answer.

    Errors: BadInput for what is not one query, what DuckDB cannot answer, what would read a file, and what takes longer
    than `seconds`.
    """
    check_reads_only(sql)
    with connect(store, read_only=True, wait_seconds=wait_seconds) as connection:
        _lock(connection)
        alarm = threading.Timer(seconds, connection.interrupt)
        alarm.start()
        try:
            return _answer(connection, sql)
        except duckdb.InterruptException as error:
            raise BadInput(
                f"this query takes longer than {seconds:g} s, for which it would keep flows waiting: ask for less, or "
                "use `culpa sql`"
            ) from error
        except duckdb.Error as error:
            raise BadInput(f"DuckDB cannot answer this query: {error}") from error
        finally:
            alarm.cancel()


def _lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Shut this process's DuckDB off from files; two queries at a time share one, so it may be locked already."""
    with suppress(duckdb.InvalidInputException):
        for one in LOCKS:
            connection.execute(one)
    found = connection.execute(
        "SELECT current_setting('enable_external_access'), current_setting('lock_configuration')"
    ).fetchall()
    if found != [(False, True)]:
        raise CulpaError("DuckDB could not be shut off from files, so the query was not asked")


def _answer(connection: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    asked = connection.sql(sql)
    lines = asked.limit(MOST_LINES + 1).fetchall()
    shown = tuple(tuple(_text(value) for value in line) for line in lines[:MOST_LINES])
    return Answer(tuple(asked.columns), shown, len(lines) > MOST_LINES)


def _text(value: Any) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
