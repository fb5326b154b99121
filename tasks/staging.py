"""The staging area: a DuckDB file in a work folder, where the input is read once, looked at and hashed, away from the
store.

So that the store is open for one short write only, and memory stays bounded whatever the size of the input.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from culpa.tasks import work
from culpa.tasks.errors import BadInput
from culpa.tasks.kinds import family
from culpa.tasks.sources import Source, unreadable
from culpa.tasks.sql import quoted

FILE = "staging.duckdb"


@contextmanager
def staging_folder(store: Path) -> Iterator[Path]:
    """A folder for one ingest, gone at the end of the block; those of dead processes go first."""
    work.sweep(store)
    with work.borrowed(store, "ingest") as folder:
        yield folder


@contextmanager
def staging(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The open staging file of a folder."""
    with duckdb.connect(folder / FILE) as connection:
        connection.execute("SET force_compression = 'uncompressed'; SET TimeZone = 'UTC'")
        yield connection


def load(
    connection: duckdb.DuckDBPyConnection, source: Source, table: str, columns: dict[str, str] | None = None
) -> int:
    """Read the whole source into a staging table, in order (its rowid is the place in the input); says how many rows.

    With `columns` only these, cast to these types.
    """
    chosen = (
        "*"
        if columns is None
        else ", ".join(f"CAST({quoted(c)} AS {kind}) AS {quoted(c)}" for c, kind in columns.items())
    )
    try:
        connection.execute(f"CREATE TABLE {quoted(table)} AS SELECT {chosen} FROM {source.relation}")
        rows: int = connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchall()[0][0]
    except duckdb.Error as error:
        if FILE in str(error):  # not the source failed, but the disk under the staging file
            raise
        told = unreadable(source.name, error)
        raise told if source.brought is None else type(told)(source.brought.spoken(str(told))) from error
    if rows == 0:
        raise BadInput(f"{source.name} holds no rows: nothing to clean")
    _check_cast(connection, source, columns or {})
    return rows


def _check_cast(connection: duckdb.DuckDBPyConnection, source: Source, columns: dict[str, str]) -> None:
    """Refuse what the wanted types would round: 1.7 in a column of whole numbers, a time of day in one of days."""
    for name, kind in columns.items():
        fuller = "DOUBLE" if family(kind) == "integer" else "TIMESTAMP" if kind == "DATE" else None
        if fuller is None:
            continue
        column = quoted(name)
        found = connection.execute(
            f"""SELECT count(*), any_value({column}::VARCHAR) FROM {source.relation}
                WHERE TRY_CAST({column} AS {fuller}) IS DISTINCT FROM CAST(CAST({column} AS {kind}) AS {fuller})"""
        ).fetchall()
        if found[0][0]:
            raise BadInput(
                f"column {name!r} of {source.name} has {found[0][0]:,} values such as {found[0][1]} that {kind}, the "
                "type of the data set's column, would round: mend them, or clean all of the data again without --onto"
            )
