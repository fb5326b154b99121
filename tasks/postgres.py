"""A PostgreSQL database, spoken to in Arrow: one session is one transaction, undone unless it is committed.

Who asks and with which password stands in the environment, as for every PostgreSQL client: PGUSER, PGPASSWORD,
PGPASSFILE or ~/.pgpass, PGSSLMODE and so on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.extras import needed
from culpa.tasks.locations import redacted

__all__ = ["rows_of", "session", "table_named"]

# So that the same rows come in the same order and in the same words, whatever the server was told.
STEADY = (
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'iso_8601'",
    "SET bytea_output = 'hex'",
    "SET extra_float_digits = 1",
    "SET synchronize_seqscans = off",
    "SET max_parallel_workers_per_gather = 0",
)


@contextmanager
def session(url: str, begin: str = "SELECT 1") -> Iterator[Any]:
    """A cursor in a transaction that starts with the statement `begin`; `cursor.connection.commit()` keeps its work.

    Errors: BadInput for what the database refuses to understand or to allow, CulpaError where it cannot be reached.
    """
    driver = needed("adbc_driver_postgresql.dbapi", "postgres", "postgresql://")
    try:
        with driver.connect(urldefrag(url).url) as connection, connection.cursor() as cursor:
            for statement in (begin, *STEADY):
                cursor.execute(statement)
            yield cursor
    except driver.Error as error:
        raise _told(url, str(error), isinstance(error, driver.OperationalError)) from error


def rows_of(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    """The answer of one query."""
    cursor.execute(sql)
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def table_named(url: str) -> tuple[str, str] | None:
    """The schema and table that a URL names behind its #; None if it names none.

    >>> table_named("postgresql://host/db#zoo.animals"), table_named("postgresql://host/db#animals")
    (('zoo', 'animals'), ('public', 'animals'))
    """
    name = unquote(urlsplit(url).fragment)
    schema, dot, table = name.partition(".")
    return ((schema, table) if dot else ("public", name)) if name else None


def _told(url: str, message: str, unreachable: bool) -> CulpaError:
    said = redacted(message.split("ERROR:")[-1].split("FATAL:")[-1].split("Query was:")[0])
    said = f"{urldefrag(url).url}: {' '.join(said.split())}"
    if "password" in message or "authentication" in message:
        return BadInput(f"{said}; set PGUSER and PGPASSWORD, or write ~/.pgpass")
    return CulpaError(f"cannot reach {said}") if unreachable and "ERROR:" not in message else BadInput(said)
