"""The store: one DuckDB file, opened for one short transaction at a time and never held.

DuckDB lets one process write and then nobody else in, so whoever finds the file busy waits in turn, and in the end
names the process that holds it. A store appears whole: it is made under a temporary name and then linked
to its own.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import duckdb

from culpa.tasks.comments import write_comments
from culpa.tasks.errors import BadInput
from culpa.tasks.migrate import migrate
from culpa.tasks.opening import SCHEMA_VERSION, open_store, version_of
from culpa.tasks.outputs import draft_of, sweep
from culpa.tasks.private import owner_only
from culpa.tasks.sql import statement

STORAGE_VERSION = "v1.5.0"  # the oldest DuckDB whose tools open the file


def create(path: Path) -> None:
    """Make an empty store at `path` unless there is one; a crash on the way leaves no store rather than half of one."""
    path = Path(path)
    check_name(path)
    _check_folder(path)
    sweep(path.parent)
    if path.exists():
        return
    draft = draft_of(path.with_name(f"{path.name}.{random.randrange(16**8):08x}"))
    try:
        write_empty(draft)
        _appear(draft, path)
    except (OSError, duckdb.Error) as error:
        raise BadInput(f"cannot make the store {path}: {error}; name another place with --store") from error
    finally:
        draft.unlink(missing_ok=True)
        draft.with_name(draft.name + ".wal").unlink(missing_ok=True)


def write_empty(draft: Path) -> None:
    """The schema, in a file for its owner alone."""
    with owner_only(), duckdb.connect(draft, config={"storage_compatibility_version": STORAGE_VERSION}) as connection:
        connection.begin()
        connection.execute(statement("schema"))
        connection.execute("INSERT INTO meta VALUES ('culpa', 1)")
        connection.execute(statement("upgrade"))
        write_comments(connection)
        connection.commit()


def _appear(draft: Path, path: Path) -> None:
    """Give the draft its name, unless another process was faster."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        os.replace(draft, path)


@contextmanager
def connect(path: Path, read_only: bool = False, *, wait_seconds: float = 30.0) -> Iterator[duckdb.DuckDBPyConnection]:
    """An open store, closed at the end of the block; while others hold it we wait in turn.

    Errors: Busy where for `wait_seconds` one process held it and nobody's turn came.

    A store of an older version is brought to this one first, see `migrate`.
    """
    path = Path(path)
    with nullcontext() if read_only else owner_only():
        connection = open_store(path, read_only, wait_seconds)
        try:
            if version_of(connection, path) < SCHEMA_VERSION:
                connection.close()
                migrate(path, wait_seconds)
                connection = open_store(path, read_only, wait_seconds)
            yield connection
        finally:
            connection.close()


@contextmanager
def transaction(path: Path, *, wait_seconds: float = 30.0) -> Iterator[duckdb.DuckDBPyConnection]:
    """One transaction on the store: everything in the block is written, or after any error nothing is."""
    with connect(path, wait_seconds=wait_seconds) as connection:
        connection.begin()
        try:
            yield connection
            connection.commit()
        except BaseException:
            _roll_back(connection)
            raise


def check(path: Path) -> None:
    """Refuse before any work what cannot be our store: it is one, or nothing is there and its folder takes files."""
    path = Path(path)
    check_name(path)
    if path.exists():
        with connect(path):
            return
    _check_folder(path)
    if not os.access(path.parent, os.W_OK):
        raise BadInput(
            f"cannot make the store {path}: the folder {path.parent} is not writable; name another place with --store"
        )


def check_name(path: Path) -> None:
    """Refuse a path that DuckDB would read as another."""
    odd = [one for one in "\0?\\" if one in str(path.absolute()) and one != os.sep]
    if odd:
        raise BadInput(
            f"DuckDB cannot open a file with {odd[0]!r} in its path, and {str(path)!r} has one: name another store"
        )


def _check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise BadInput(
            f"cannot make the store {path}: the folder {path.parent} does not exist; "
            "create it or name another with --store"
        )


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):  # a failed commit (disk full) has already ended the transaction
        connection.rollback()
