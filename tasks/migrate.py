"""Brings a store of an older version to this one, after a copy of it was laid beside it: `culpa.duckdb.v3.backup`.

The copy is taken while this process holds the store, so that nobody writes meanwhile, and appears whole or not at all.
A copy that lies there already is never overwritten: the new one takes the next free number. To go back, close
everything that has the store open and rename the copy to the store's own name.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import duckdb

from culpa.tasks.comments import write_comments
from culpa.tasks.errors import CulpaError
from culpa.tasks.opening import SCHEMA_VERSION, open_store, version_of
from culpa.tasks.outputs import checksum, draft_of, flush, link
from culpa.tasks.private import FILE, owner_only
from culpa.tasks.sql import statement

__all__ = ["make_views_again", "migrate"]

COPIED_AT_ONCE = 1 << 22  # bytes

_one_at_a_time = threading.Lock()  # of the threads of a process, which share one open store


def migrate(path: Path, wait_seconds: float) -> None:
    """Copy the store at `path` aside and bring it to SCHEMA_VERSION, in one transaction; nothing if it is there.

    Errors: CulpaError where the copy or the change cannot be written (a full disk), and then the store is as it was.
    """
    with _one_at_a_time, owner_only():
        handle = _for_good(path)
        connection = open_store(path, False, wait_seconds)
        try:
            version = version_of(connection, path)
            if version < SCHEMA_VERSION:
                backup = _back_up(connection, handle, path, version)
                _change(connection, path)
                logging.getLogger(__name__).warning(
                    f"the store {path} was of version {version} and is now of version {SCHEMA_VERSION}; as it was it "
                    f"lies in {backup}"
                )
        finally:
            connection.close()


def _for_good(path: Path) -> int:
    """A handle for the copy, opened before the store is locked and never closed: closing it would unlock the store."""
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise CulpaError(f"cannot read the store {path} to copy it aside: {error.strerror}") from error


def _back_up(connection: duckdb.DuckDBPyConnection, handle: int, path: Path, version: int) -> Path:
    draft = draft_of(path.with_name(f"{path.name}.backup"))
    try:
        connection.execute("CHECKPOINT")  # all is in the file then, nothing in the log beside it
        _copy(handle, draft)
        return _appear(draft, path, version)
    except (OSError, duckdb.Error) as error:
        raise CulpaError(
            f"the store {path} is of version {version} and has to be brought to version {SCHEMA_VERSION}, but no copy "
            f"of it ({os.fstat(handle).st_size:,} bytes) can be laid beside it first: {error}; nothing was changed"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _copy(handle: int, draft: Path) -> None:
    place = 0
    target = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, FILE)
    with os.fdopen(target, "wb") as copy:
        while block := os.pread(handle, COPIED_AT_ONCE, place):
            copy.write(block)
            place += len(block)
    flush(draft)


def _appear(draft: Path, path: Path, version: int) -> Path:
    """Give the copy the first free name; a name under which the same bytes lie already will do."""
    for name in _names(path, version):
        with suppress(FileExistsError):
            link(draft, name)
            flush(path.parent)
            return name
        if name.is_file() and checksum(name) == checksum(draft):  # an earlier try was killed after it
            return name
    raise AssertionError("numbers do not end")


def _names(path: Path, version: int) -> Iterator[Path]:
    first = f"{path.name}.v{version}.backup"
    yield path.with_name(first)
    yield from (path.with_name(f"{first}.{number}") for number in count(2))


def _change(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    try:
        connection.begin()
        connection.execute(statement("upgrade"))
        make_views_again(connection)
        write_comments(connection)
        connection.commit()
    except duckdb.Error as error:
        with suppress(duckdb.Error):  # a failed commit has already ended the transaction
            connection.rollback()
        raise CulpaError(
            f"the store {path} cannot be brought to version {SCHEMA_VERSION}: {error}; it stays as it was"
        ) from error


def make_views_again(connection: duckdb.DuckDBPyConnection) -> None:
    """Every data set's views as this version has them, those of the run that was flagged last in the end."""
    from culpa.tasks.runs import find_run  # they know the store, and the store knows this file
    from culpa.tasks.views import create_views

    latest = connection.execute(
        """SELECT run_id FROM runs WHERE flagged_at IS NOT NULL
           QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY flagged_at DESC, created_at DESC, run_id) = 1
           ORDER BY flagged_at, created_at DESC, run_id DESC"""
    ).fetchall()
    for (run_id,) in latest:
        create_views(connection, find_run(connection, run_id))
