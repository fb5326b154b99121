"""Who made a file, and does that process still live? So that what a killed run left behind can be swept away.

A signature names the machine and the process: `host-4711`. A process of another machine cannot be asked, so its
files count as abandoned after a day without a write.
"""

import os
import re
import socket
import time
from pathlib import Path

SIGNATURE = r"[^.-]+-\d+"
ABANDONED_SECONDS = 86_400.0


def signature() -> str:
    """This process, as a word that fits into a file name."""
    return f"{_host()}-{os.getpid()}"


def is_abandoned(path: Path, signed: str) -> bool:
    """Whether the process that signed `path` is gone; False for a path that is gone itself."""
    host, _, process = signed.rpartition("-")
    if host != _host() or not process.isdigit():
        return _untouched_seconds(path) > ABANDONED_SECONDS
    return not _is_alive(int(process))


def _host() -> str:
    return re.sub(r"\W", "_", socket.gethostname())


def _untouched_seconds(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # alive, and somebody else's
        return True
    return True
