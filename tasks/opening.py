"""Opens the store's file: waits in turn while another process holds it, and says who does.

DuckDB's lock belongs to the process, and goes with *any* handle of the file that the process closes: nothing else may
open and close a store's file while it is connected.
"""

import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from culpa.tasks.errors import BadInput, Busy, CulpaError
from culpa.tasks.waiting import Turn

__all__ = ["SCHEMA_VERSION", "WAITED", "open_store", "version_of"]

SCHEMA_VERSION = 4
PAUSE_IN_FRONT, PAUSE_BEHIND = (0.01, 0.03), (0.005, 0.02)  # seconds between two looks, at random

# Told of each opening how many seconds it took, and whether it was for reading only; for measurements.
WAITED: list[Callable[[float, bool], None]] = []


def open_store(path: Path, read_only: bool, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    """A connection, in turn with everybody else who waits; Busy if nobody's turn came for `wait_seconds`."""
    if not path.exists():
        raise BadInput(f"no store at {path}: `culpa flag` or `culpa clean` makes one; or name another with --store")
    start = time.monotonic()
    turn = Turn(path, writes=not read_only)
    try:
        connection = _in_turn(path, read_only, wait_seconds, turn)
    finally:
        turn.leave()
    for tell in WAITED:
        tell(time.monotonic() - start, read_only)
    return connection


def _in_turn(path: Path, read_only: bool, wait_seconds: float, turn: Turn) -> duckdb.DuckDBPyConnection:
    """Try whenever it is our turn. The clock starts anew with every step forward, and with every other holder."""
    since, seen, busy = time.monotonic(), "", ""
    while True:
        ahead = turn.ahead()
        if not ahead:
            try:
                return duckdb.connect(path, read_only=read_only)
            except duckdb.Error as error:
                if not _is_busy(error):
                    raise _cannot_open(path, error) from error
                busy = _holder(error)
        turn.wait()
        now = ahead[0] if ahead else busy
        if now != seen:
            since, seen = time.monotonic(), now
        elif time.monotonic() > since + wait_seconds:
            raise Busy(_busy(path, wait_seconds, busy))
        time.sleep(random.uniform(*(PAUSE_BEHIND if ahead else PAUSE_IN_FRONT)))


def version_of(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
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


def _is_busy(error: duckdb.Error) -> bool:
    text = str(error)
    return "Could not set lock" in text or "different configuration than existing connections" in text


def _holder(error: duckdb.Error) -> str:
    found = re.search(r"held in (.+?)\.? *See also|held in (.+)", str(error))
    return (found[1] or found[2]).strip() if found else "this process, in another connection"


def _busy(path: Path, waited: float, holder: str) -> str:
    held = (
        f"it is held by {holder}; close that program" if holder else "others wait for it, and none gets on; stop them"
    )
    return f"the store {path} was busy for {waited:g} s: {held} or wait, then run again"


def _cannot_open(path: Path, error: duckdb.Error) -> CulpaError:
    text = str(error)
    if "version number" in text:
        return BadInput(f"the store {path} was written by another DuckDB than {duckdb.__version__}: {text}")
    if "not a valid DuckDB database" in text or path.is_dir():
        return BadInput(f"{path} is not a culpa store (and no DuckDB file either); name another file with --store")
    return CulpaError(f"cannot open the store {path}: {text}")
