"""Files for their owner alone: whatever the umask says, nobody else reads what culpa makes.

The store holds the data, so it and everything beside it is made with mode 0600, folders with 0700. DuckDB makes its
write-ahead log itself, by the process's umask: that is narrowed for as long as a store is open for writing, and widened
again by whoever closes the last one.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["FILE", "FOLDER", "new_file", "new_folder", "owner_only"]

FILE, FOLDER = 0o600, 0o700
_OTHERS = 0o077  # what nobody else may do

_lock = threading.Lock()
_open_blocks = 0
_umask_before = 0


@contextmanager
def owner_only() -> Iterator[None]:
    """Whatever is made within the block, by anybody in this process, is for its owner alone."""
    global _open_blocks, _umask_before
    with _lock:
        if _open_blocks == 0:
            _umask_before = os.umask(_OTHERS)
        _open_blocks += 1
    try:
        yield
    finally:
        with _lock:
            _open_blocks -= 1
            if _open_blocks == 0:
                os.umask(_umask_before)


def new_file(path: Path) -> None:
    """Make an empty file for its owner alone, to be written by name; what lay there under this name is emptied."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, FILE))
    path.chmod(FILE)


def new_folder(path: Path) -> None:
    """Make a folder for its owner alone, with those above it that are missing; one that is there keeps its mode."""
    with owner_only():
        path.mkdir(parents=True, exist_ok=True, mode=FOLDER)
