"""The store: one DuckDB file, opened for one short transaction at a time and never held.

DuckDB lets one process write and then nobody else in, so whoever finds the file busy waits with random back-off, and
in the end names the process that holds it. A store appears whole: it is made under a temporary name and then linked
to its own.
"""

import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.outputs import draft_of, sweep
from culpa.tasks.sql import statement

SCHEMA_VERSION = 4
STORAGE_VERSION = "v1.5.0"  # the oldest DuckDB whose tools open the file


def create(path: Path) -> None:
    """Make an empty store at `path` unless there is one; a crash on the way leaves no store rather than half of one."""
    path = Path(path)
    _check_folder(path)
    sweep(path.parent)
    if path.exists():
        return
    draft = draft_of(path.with_name(f"{path.name}.{random.randrange(16**8):08x}"))
    try:
        _write_empty(draft)
        _appear(draft, path)
    except (OSError, duckdb.Error) as error:
        raise BadInput(f"cannot make the store {path}: {error}; name another place with --store") from error
    finally:
        draft.unlink(missing_ok=True)
        draft.with_name(draft.name + ".wal").unlink(missing_ok=True)


def _write_empty(draft: Path) -> None:
    with duckdb.connect(draft, config={"storage_compatibility_version": STORAGE_VERSION}) as connection:
        connection.execute(statement("schema"))
        connection.execute("INSERT INTO meta VALUES ('culpa', 1)")
        connection.execute(statement("upgrade"))


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
    """An open store, waiting up to `wait_seconds` while another process holds it; closed at the end of the block."""
    connection = _open(Path(path), read_only, wait_seconds)
    try:
        if _version(connection, Path(path)) < SCHEMA_VERSION:
            connection.close()
            _upgrade(Path(path), wait_seconds)
            connection = _open(Path(path), read_only, wait_seconds)
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
    if path.exists():
        with connect(path):
            return
    _check_folder(path)
    if not os.access(path.parent, os.W_OK):
        raise BadInput(
            f"cannot make the store {path}: the folder {path.parent} is not writable; name another place with --store"
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


def _open(path: Path, read_only: bool, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    if not path.exists():
        raise BadInput(f"no store at {path}: `culpa flag` or `culpa clean` makes one; or name another with --store")
    deadline, pause = time.monotonic() + wait_seconds, 0.02
    while True:
        try:
            return duckdb.connect(path, read_only=read_only)
        except duckdb.Error as error:
            if not _is_busy(error):
                raise _cannot_open(path, error) from error
            if time.monotonic() > deadline:
                raise CulpaError(_busy(path, wait_seconds, error)) from error
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, 0.5)


def _is_busy(error: duckdb.Error) -> bool:
    text = str(error)
    return "Could not set lock" in text or "different configuration than existing connections" in text


def _busy(path: Path, waited: float, error: duckdb.Error) -> str:
    holder = re.search(r"held in (.+?)\.? *See also|held in (.+)", str(error))
    who = (holder[1] or holder[2]).strip() if holder else "this process, in another connection"
    return (
        f"the store {path} was busy for {waited:g} s: it is held by {who}; close that program or wait, then run again"
    )


def _cannot_open(path: Path, error: duckdb.Error) -> CulpaError:
    text = str(error)
    if "version number" in text:
        return BadInput(f"the store {path} was written by another DuckDB than {duckdb.__version__}: {text}")
    if "not a valid DuckDB database" in text or path.is_dir():
        return BadInput(f"{path} is not a culpa store (and no DuckDB file either); name another file with --store")
    return CulpaError(f"cannot open the store {path}: {text}")


def _upgrade(path: Path, wait_seconds: float) -> None:
    """Bring a store of an older version to this one, in one transaction."""
    connection = _open(path, read_only=False, wait_seconds=wait_seconds)
    try:
        connection.begin()
        connection.execute(statement("upgrade"))
        connection.commit()
    except duckdb.Error as error:
        _roll_back(connection)
        raise CulpaError(f"the store {path} cannot be brought to version {SCHEMA_VERSION}: {error}") from error
    finally:
        connection.close()


def _version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """The store's version. Errors: BadInput for a file that is no store of ours, or of a newer version."""
    try:
        found = connection.execute("SELECT magic, schema_version FROM meta").fetchall()
    except duckdb.Error:
        found = []
    if len(found) != 1 or found[0][0] != "culpa":
        raise BadInput(
            f"{path} is a DuckDB file but not a culpa store; name another file with --store, or leave it away for "
            "culpa.duckdb"
        )
    if found[0][1] > SCHEMA_VERSION:
        raise BadInput(
            f"the store {path} is of the newer version {found[0][1]}; this culpa knows up to {SCHEMA_VERSION}: "
            "update culpa, or name another --store"
        )
    return int(found[0][1])
