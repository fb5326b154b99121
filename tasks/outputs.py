"""Output files that appear whole and together, or not at all.

Each file is written as a draft beside its final place, flushed to the disk, and renamed only once all drafts are
complete. A process that dies leaves drafts, never half an output; the next publish into the folder sweeps them away.
"""

import os
import re
import shutil
from hashlib import sha256
from pathlib import Path

from culpa.tasks import owners

DRAFT = re.compile(rf"^\..+\.(?P<owner>{owners.SIGNATURE})\.culpa-draft(\.wal)?$")


class Drafts:
    """Drafts of files that belong together; leaving the block without `place` removes them all."""

    def __init__(self) -> None:
        """Start with no draft."""
        self._drafts: dict[Path, Path] = {}  # final place -> draft, in the order of appearance

    def __enter__(self) -> "Drafts":
        return self

    def __exit__(self, *_: object) -> None:
        for draft in self._drafts.values():
            draft.unlink(missing_ok=True)

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
                os.replace(draft, final)
                flush(final.parent)
        except BaseException:
            for final in new:
                final.unlink(missing_ok=True)
            raise


def draft_of(final: Path) -> Path:
    """The name under which this process writes what shall appear at `final`."""
    return final.with_name(f".{final.name}.{owners.signature()}.culpa-draft")


def flush(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> list[Path]:
    """Remove the drafts that dead processes left in `folder`, and say which."""
    dead = abandoned(folder)
    for path in dead:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return dead


def abandoned(folder: Path) -> list[Path]:
    """The drafts that dead processes left in `folder`."""
    drafts = [(path, found["owner"]) for path in folder.iterdir() if (found := DRAFT.match(path.name))]
    return [path for path, owner in drafts if owners.is_abandoned(path, owner)]


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
