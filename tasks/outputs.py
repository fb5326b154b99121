"""Output files that appear whole and together, or not at all.

Each file is written as a draft beside its final place, flushed to the disk, and renamed only once all drafts are
complete. A process that dies leaves drafts, never half an output; the next publish into the folder sweeps them away.
New files are for their owner alone, whatever the umask; one that is replaced hands its own mode on, so that whoever was
let in by `chmod` stays in.
"""

import os
import re
import shutil
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from culpa.tasks import owners
from culpa.tasks.private import FILE, owner_only

DRAFT = re.compile(rf"^\.(?P<name>.+)\.(?P<owner>{owners.SIGNATURE})\.culpa-(draft(\.wal)?|(?P<before>before))$")


class Drafts:
    """Drafts of files that belong together; leaving the block without `place` removes them all."""

    def __init__(self) -> None:
        """Start with no draft."""
        self._drafts: dict[Path, Path] = {}  # final place -> draft, in the order of appearance
        self._private = owner_only()

    def __enter__(self) -> "Drafts":
        self._private.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._private.__exit__(None, None, None)
        for draft in self._drafts.values():
            remove(draft)

    def draft(self, final: Path) -> Path:
        """Where to write the file that shall appear at `final`; files appear in the order of these calls."""
        self._drafts[final] = draft_of(final)
        return self._drafts[final]

    def place(self) -> None:
        """Let all files appear; if one cannot, those that were not there before go again."""
        for draft in self._drafts.values():
            flush(draft)
        new = [final for final in self._drafts if not final.exists()]
        try:
            for final, draft in self._drafts.items():
                if final.exists():
                    draft.chmod(stat.S_IMODE(final.stat().st_mode))
                _appear(draft, final)
                flush(final.parent)
        except BaseException:
            for final in new:
                remove(final)
            raise


def draft_of(final: Path) -> Path:
    """The name under which this process writes what shall appear at `final`."""
    return final.with_name(f".{final.name}.{owners.signature()}.culpa-draft")


def _appear(draft: Path, final: Path) -> None:
    """Rename; a folder first moves the one before it aside, for no system call replaces a folder that holds files."""
    if not (draft.is_dir() and final.is_dir()):
        os.replace(draft, final)
        return
    aside = final.with_name(f".{final.name}.{owners.signature()}.culpa-before")
    final.rename(aside)
    try:
        draft.rename(final)
    except BaseException:
        aside.rename(final)
        raise
    remove(aside)


def link(draft: Path, name: Path) -> None:
    """Let the draft appear under a name that is free. Errors: FileExistsError."""
    try:
        os.link(draft, name)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: claim the name, then fill it
        os.close(os.open(name, os.O_CREAT | os.O_EXCL, FILE))
        os.replace(draft, name)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to the disk itself; a draft folder with its files."""
    if DRAFT.match(path.name) and path.is_dir():
        for inside in path.rglob("*"):
            flush(inside)
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> list[Path]:
    """Remove the drafts that dead processes left in `folder`, and say which.

    A folder that one moved aside goes back to its place, if nothing has taken that since.
    """
    dead = abandoned(folder)
    for path in dead:
        found = DRAFT.match(path.name)
        final = folder / found["name"] if found else path
        if found and found["before"] and not final.exists():
            with suppress(FileNotFoundError):  # somebody else swept
                path.rename(final)
        else:
            remove(path)
    return dead


def abandoned(folder: Path) -> list[Path]:
    """The drafts that dead processes left in `folder`."""
    drafts = [(path, found["owner"]) for path in folder.iterdir() if (found := DRAFT.match(path.name))]
    return [path for path, owner in drafts if owners.is_abandoned(path, owner)]


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hex; of a folder, that of its files' names and checksums."""
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
        return sha256("".join(f"{checksum(one)} {one.relative_to(path)}\n" for one in files).encode()).hexdigest()
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def size(path: Path) -> int:
    """The bytes of a file, or of a folder's files."""
    return (
        path.stat().st_size if path.is_file() else sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    )
