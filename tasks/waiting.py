"""Who waits for the store, in the order in which they came: so that nobody waits for ever while others slip in.

DuckDB lets many read or one write, and knows no queue: with readers enough a writer never finds it free. Whoever finds
the store busy therefore leaves a ticket in the folder `.<store>.queue` beside it, and whoever comes later and sees one
waits behind it: a writer behind everybody, a reader behind writers only. The folder goes with the last ticket. A ticket
whose process is dead, or has not been heard of for a while, counts no more. All of it is courtesy: the lock itself is
DuckDB's, other tools take no ticket, and where none can be left everybody just tries.
"""

import os
import random
import time
from contextlib import suppress
from pathlib import Path

from culpa.tasks import owners
from culpa.tasks.private import FILE, FOLDER

__all__ = ["Turn"]

SILENT_SECONDS = 2.0  # after which a ticket counts no more, until it is heard of again
WRITES, READS = "w", "r"


class Turn:
    """One place in the queue of a store; leave it when the store is open, or when you give up."""

    def __init__(self, store: Path, *, writes: bool) -> None:
        """Nothing is left anywhere yet."""
        self._folder = store.with_name(f".{store.name}.queue")
        self._kind = WRITES if writes else READS
        self._ticket: Path | None = None

    @property
    def has_come(self) -> bool:
        """Whether it is this one's turn to try."""
        return not self.ahead()

    def ahead(self) -> list[str]:
        """The tickets that come first; tells the others that this one still waits."""
        try:
            there = sorted(os.listdir(self._folder))
        except OSError:  # nobody waits
            return []
        if self._ticket is not None:
            with suppress(OSError):
                os.utime(self._ticket)
        before = [name for name in there if self._ticket is None or name < self._ticket.name]
        kinds = [name for name in before if self._kind == WRITES or _kind(name) == WRITES]
        return [name for name in kinds if not self._is_gone(name)]

    def wait(self) -> None:
        """Take a ticket, if there is none yet."""
        if self._ticket is not None:
            return
        name = f"{time.time_ns():020d}-{random.randrange(16**6):06x}-{self._kind}.{owners.signature()}"
        for _ in range(5):  # the last one may be taking the folder away just now
            with suppress(OSError):
                self._folder.mkdir(mode=FOLDER, exist_ok=True)
                os.close(os.open(self._folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
                self._ticket = self._folder / name
                return

    def leave(self) -> None:
        """Give the place up."""
        with suppress(OSError):
            if self._ticket is not None:
                self._ticket.unlink()
                self._ticket = None
            self._folder.rmdir()  # the last one

    def _is_gone(self, name: str) -> bool:
        path, signed = self._folder / name, name.partition(".")[2]
        try:
            silent = time.time() - path.stat().st_mtime
        except OSError:
            return True
        if owners.is_abandoned(path, signed):
            with suppress(OSError):
                path.unlink()
            return True
        return silent > SILENT_SECONDS


def _kind(name: str) -> str:
    return name.partition(".")[0][-1:]
