"""Output files that appear whole and together, or not at all.

Each file is written as a draft beside its final place, flushed to the disk, and renamed only once all drafts are
complete. A process that dies leaves drafts, never half an output; the next publish into the folder sweeps them away.
"""

import os
import re
import socket
import time
from hashlib import sha256
from pathlib import Path

DRAFT = re.compile(r"^\..+\.(?P<host>[^.]+)-(?P<process>\d+)\.culpa-draft$")
ABANDONED_SECONDS = 86_400.0  # a draft of another machine is dead after a day without a write


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
        host = re.sub(r"[^\w]", "_", socket.gethostname())
        self._drafts[final] = final.with_name(f".{final.name}.{host}-{os.getpid()}.culpa-draft")
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


def flush(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> list[Path]:
    """Remove the drafts that dead processes left in `folder`, and say which."""
    dead = [path for path in folder.iterdir() if (found := DRAFT.match(path.name)) and _is_dead(path, found)]
    for path in dead:
        path.unlink(missing_ok=True)
    return dead


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _is_dead(path: Path, found: re.Match[str]) -> bool:
    if found["host"] != re.sub(r"[^\w]", "_", socket.gethostname()):
        return time.time() - path.stat().st_mtime > ABANDONED_SECONDS
    try:
        os.kill(int(found["process"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # alive, and somebody else's
        return False
    return False
