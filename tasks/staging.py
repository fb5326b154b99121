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
    return rows
