"""The work folder beside the store: what a run needs between its steps, gone when it ends.

`<store>.work/<name>/` holds a file that says which process works there. A process that was killed leaves its folder
behind, and the next run sweeps it away.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from culpa.tasks import owners
from culpa.tasks.errors import CulpaError
from culpa.tasks.private import FOLDER, new_folder

OWNER = "owner"
SIGNED_NAME = re.compile(rf"^\..+\.(?P<owner>{owners.SIGNATURE})$")
UNSIGNED_SECONDS = 60.0


def work_folder(store: Path, name: str) -> Path:
    """Where a run keeps its files; the folder itself is made by `claim`."""
    return work_root(store) / name


def work_root(store: Path) -> Path:
    """The folder of all work folders of a store."""
    store = Path(store)
    return store.with_name(store.name + ".work")


def kept_folder(store: Path) -> Path:
    """Where trainings and models are kept for later runs: files that nothing else needs."""
    store = Path(store)
    return store.with_name(store.name + ".cache")


def claim(store: Path, name: str) -> Path:
    """Make the work folder of this name, signed from its first moment on: this process uses it."""
    folder = work_folder(store, name)
    if not folder.is_dir():
        draft = _by_me(folder)
        new_folder(draft)
        _sign(draft)
        with suppress(OSError):  # another step of the run was faster
            draft.rename(folder)
        shutil.rmtree(draft, ignore_errors=True)
    for one in (folder.parent, folder):
        _check_mine(one)
    _sign(folder)
    return folder


def remove(store: Path, name: str) -> None:
    """Remove a work folder, and the folder of all of them if it was the last."""
    _discard(work_folder(store, name))
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
    dead = abandoned(store)
    for folder in dead:
        _discard(folder)
    _remove_if_empty(work_root(store))
    return dead


def abandoned(store: Path) -> list[Path]:
    """The work folders that dead processes left."""
    root = work_root(store)
    return [folder for folder in root.iterdir() if folder.is_dir() and _is_dead(folder)] if root.is_dir() else []


def _by_me(folder: Path) -> Path:
    """The name of a folder that this process is making or taking away: signed by its name."""
    return folder.with_name(f".{folder.name.lstrip('.')}.{owners.signature()}")


def _check_mine(folder: Path) -> None:
    """Trained models lie here and are read back: nobody else may have put them there, or see them."""
    if folder.stat().st_uid != os.getuid():
        raise CulpaError(f"{folder} belongs to another user: name another --store, or have it removed")
    folder.chmod(FOLDER)


def _sign(folder: Path) -> None:
    """Write the owner's file at once or not at all."""
    draft = folder / f"{OWNER}.{owners.signature()}"
    draft.write_text(owners.signature(), encoding="utf-8")
    os.replace(draft, folder / OWNER)


def _discard(folder: Path) -> None:
    """Take a folder away: first its name, so that a half-emptied one still tells whose it is."""
    leaving = _by_me(folder)
    with suppress(OSError):  # it is gone, or it bears that name already
        folder.rename(leaving)
    for one in (leaving, folder):
        shutil.rmtree(one, ignore_errors=True)


def _is_dead(folder: Path) -> bool:
    signed = _signed(folder)
    if not signed:  # by an older version, killed before it signed
        return time.time() - folder.stat().st_mtime > UNSIGNED_SECONDS
    return owners.is_abandoned(folder, signed)


def _signed(folder: Path) -> str:
    if named := SIGNED_NAME.match(folder.name):
        return named["owner"]
    try:
        return (folder / OWNER).read_text(encoding="utf-8")
    except OSError:
        return ""


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
