"""The work folder beside the store: what a run needs between its steps, gone when it ends.

`<store>.work/<name>/` holds a file that says which process works there. A process that was killed leaves its folder
behind, and the next run sweeps it away.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from culpa.tasks import owners

OWNER = "owner"
UNSIGNED_SECONDS = 60.0


def work_folder(store: Path, name: str) -> Path:
    """Where a run keeps its files; the folder itself is made by `claim`."""
    return work_root(store) / name


def work_root(store: Path) -> Path:
    """The folder of all work folders of a store."""
    store = Path(store)
    return store.with_name(store.name + ".work")


def claim(store: Path, name: str) -> Path:
    """Make the work folder of this name and write into it that this process uses it."""
    folder = work_folder(store, name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OWNER).write_text(owners.signature(), encoding="utf-8")
    return folder


def remove(store: Path, name: str) -> None:
    """Remove a work folder, and the folder of all of them if it was the last."""
    shutil.rmtree(work_folder(store, name), ignore_errors=True)
    _remove_if_empty(work_root(store))


@contextmanager
def borrowed(store: Path, name: str) -> Iterator[Path]:
    """A work folder for the time of the block."""
    mine = f"{name}-{os.getpid()}-{time.monotonic_ns()}"
    try:
        yield claim(store, mine)
    finally:
        remove(store, mine)


def sweep(store: Path) -> list[Path]:
    """Remove the work folders that dead processes left, and say which."""
    root = work_root(store)
    if not root.is_dir():
        return []
    dead = [folder for folder in root.iterdir() if folder.is_dir() and _is_dead(folder)]
    for folder in dead:
        shutil.rmtree(folder, ignore_errors=True)
    _remove_if_empty(root)
    return dead


def _is_dead(folder: Path) -> bool:
    signed = _signed(folder)
    if not signed:  # killed before it signed, or about to sign
        return time.time() - folder.stat().st_mtime > UNSIGNED_SECONDS
    return owners.is_abandoned(folder, signed)


def _signed(folder: Path) -> str:
    try:
        return (folder / OWNER).read_text(encoding="utf-8")
    except OSError:
        return ""


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
