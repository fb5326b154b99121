"""The files of a watched folder: which are new and settled, each noticed once, and what became of it.

A file is settled when its size and its time of change are the same at two looks, `settle` seconds apart; hidden and
temporary names are not looked at. What was noticed lies in the table `arrivals`: a file that changes is noticed again,
one that was only touched is not, unless it was refused before. A file that was refused is tried again with other
options.
"""

import os
import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from culpa.tasks import store as stores
from culpa.tasks.errors import BadInput
from culpa.tasks.files import format_of
from culpa.tasks.outputs import checksum
from culpa.tasks.sql import statement

__all__ = ["Arrival", "new_arrivals", "note", "refuse", "refused", "take_in", "taken_in", "twin", "waiting"]

_UNFINISHED = re.compile(r"(^[._])|(~$)|(\.(tmp|temp|part|partial|incomplete)(\.|$))", re.IGNORECASE)


@dataclass(frozen=True)
class Arrival:
    """A file as it lay in the folder when it was noticed."""

    folder: str  # absolute
    file: str  # its path within the folder
    bytes: int
    modified_at: datetime  # UTC, microseconds
    checksum: str = ""  # SHA-256 of its content
    noticed_at: datetime | None = None
    run_id: str | None = None  # the run that took it in
    error: str | None = None  # why it cannot be taken in
    options: str | None = None  # a hash of the options with which it could not be

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return Path(self.folder, self.file)

    @property
    def is_open(self) -> bool:
        """Whether nothing has become of it yet."""
        return self.run_id is None and self.error is None

    def is_refused(self, options: str) -> bool:
        """Whether it cannot be taken in with these options."""
        return self.error is not None and self.options == options

    @property
    def is_still_there(self) -> bool:
        """Whether the file lies there as it was noticed."""
        try:
            return _state(self.path) == (self.bytes, self.modified_at)
        except _Unusable:
            return False


class _Unusable(Exception):
    """A file that cannot be written down."""


def new_arrivals(
    store: Path, folder: Path, settle: float, leave_out: Collection[Path] = ()
) -> tuple[list[Arrival], dict[str, str]]:
    """The settled files of `folder` that were not noticed before as they are now; waits only if there may be any.

    And the files that cannot be written down, with the reason.
    """
    known = {arrival.file: arrival for arrival in _latest(store, folder)}
    seen, unusable = _look(folder, leave_out)
    fresh = {file: state for file, state in seen.items() if not _is_known(known.get(file), state)}
    if not fresh:
        return [], unusable
    time.sleep(settle)
    found = [Arrival(str(folder), file, *state) for file, state in fresh.items()]
    found = [_identified(arrival) for arrival in found if arrival.is_still_there]
    found = [arrival for arrival in found if arrival.is_still_there]
    touched = [one for one in found if _was_touched(known.get(one.file), one)]
    _note_touched(store, touched)
    return [one for one in found if one not in touched], unusable


def note(store: Path, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Write the arrivals down; gives those that no other process has written down meanwhile."""
    if not arrivals:
        return []
    noted = []
    with stores.transaction(store) as connection:
        for arrival in arrivals:
            known = _read(connection, arrival.folder, arrival.file)
            if known and _is_known(known[0], (arrival.bytes, arrival.modified_at)):
                continue
            noted.append(replace(arrival, noticed_at=datetime.now(UTC).replace(tzinfo=None)))
            connection.execute(statement("insert_arrival"), vars(noted[-1]))
    return noted


def waiting(store: Path, folder: Path, options: str) -> list[Arrival]:
    """The noticed files that lie there as they were noticed and that nothing has become of yet, the oldest first.

    A file that was refused with other options, named by a hash of them, is one of these.
    """
    if any(one.is_open for one in _latest(store, folder)):
        with stores.transaction(store) as connection:
            connection.execute(statement("credit_arrivals"), {"folder": str(folder)})
    found = [one for one in _latest(store, folder) if one.run_id is None and not one.is_refused(options)]
    return [one for one in found if one.is_still_there]


def refused(store: Path, folder: Path, options: str) -> list[Arrival]:
    """The files that lie there and cannot be taken in with these options."""
    return [one for one in _latest(store, folder) if one.is_refused(options) and one.is_still_there]


def twin(store: Path, arrival: Arrival) -> Arrival | None:
    """A file of another name with the same content that was taken in."""
    same = [one for one in taken_in(store, Path(arrival.folder)) if one.checksum == arrival.checksum]
    return next((one for one in same if one.file != arrival.file), None)


def taken_in(store: Path, folder: Path) -> list[Arrival]:
    """The files that a run took in."""
    return [one for one in _latest(store, folder) if one.run_id is not None]


def take_in(store: Path, arrival: Arrival, run_id: str) -> None:
    """Note which run took the file in."""
    _settle_fate(store, arrival, run_id=run_id, error=None, options=None)


def refuse(store: Path, arrival: Arrival, error: str, options: str) -> None:
    """Note why the file cannot be taken in with these options; it is tried again when it changes, or they do."""
    _settle_fate(store, arrival, run_id=None, error=error, options=options)


def _note_touched(store: Path, touched: Sequence[Arrival]) -> None:
    if not touched:
        return
    with stores.transaction(store) as connection:
        for one in touched:
            connection.execute(
                "UPDATE arrivals SET modified_at = ? WHERE folder = ? AND file = ? AND checksum = ?",
                [one.modified_at, one.folder, one.file, one.checksum],
            )


def _settle_fate(store: Path, arrival: Arrival, **fate: str | None) -> None:
    which = {name: getattr(arrival, name) for name in ("folder", "file", "noticed_at")}
    with stores.transaction(store) as connection:
        connection.execute(
            "UPDATE arrivals SET run_id = $run_id, error = $error, options = $options "
            "WHERE folder = $folder AND file = $file AND noticed_at = $noticed_at",
            {**which, **fate},
        )


def _latest(store: Path, folder: Path) -> list[Arrival]:
    with stores.connect(store, read_only=True) as connection:
        return _read(connection, str(folder))


def _read(connection: Any, folder: str, file: str | None = None) -> list[Arrival]:
    """What was noticed last of each file, or of one, in the order of noticing."""
    rows = connection.execute(statement("latest_arrivals"), {"folder": folder, "file": file}).fetchall()
    return [Arrival(*row) for row in rows]


def _look(folder: Path, leave_out: Collection[Path]) -> tuple[dict[str, tuple[int, datetime]], dict[str, str]]:
    """Size and time of change of each file that may be a table, by its path in the folder; what ails others."""
    if not folder.is_dir():
        raise BadInput(f"cannot watch {folder}: there is no such folder; create it or name another")
    elsewhere = {path.resolve() for path in leave_out}
    found, unusable = {}, {}
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder)
        if not _may_be_table(within) or path.resolve() in elsewhere:
            continue
        try:
            if state := _state(path):
                found[_text(within)] = state
        except _Unusable as error:
            unusable[os.fsencode(within).decode(errors="backslashreplace")] = str(error)
    return found, unusable


def _may_be_table(within: Path) -> bool:
    if any(_UNFINISHED.search(part) for part in within.parts):
        return False
    try:
        return format_of(within) != "duckdb"
    except BadInput:
        return False


def _text(within: Path) -> str:
    """The name, if it is one that the store can hold."""
    try:
        str(within).encode()
    except UnicodeEncodeError:
        raise _Unusable("its name is not UTF-8: rename it") from None
    return str(within)


def _state(path: Path) -> tuple[int, datetime] | None:
    try:
        if not path.is_file():
            return None
        found = path.stat()
    except OSError:  # it vanished between two looks
        return None
    seconds, rest = divmod(found.st_mtime_ns // 1000, 1_000_000)
    try:
        changed_at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest, tzinfo=None)
    except (ValueError, OverflowError, OSError):
        raise _Unusable("its time of change lies outside the years 1 to 9999: touch it") from None
    return found.st_size, changed_at


def _identified(arrival: Arrival) -> Arrival:
    try:
        return replace(arrival, checksum=checksum(arrival.path))
    except OSError as error:  # unreadable: noticed all the same, so that taking it in says why
        return replace(arrival, checksum=f"unreadable: {error.strerror}")


def _is_known(known: Arrival | None, state: tuple[int, datetime]) -> bool:
    return known is not None and (known.bytes, known.modified_at) == state


def _was_touched(known: Arrival | None, arrival: Arrival) -> bool:
    """Whether only the time of change differs from what was noticed, and nobody waits for another try."""
    return known is not None and known.error is None and known.checksum == arrival.checksum
