"""Who made a file, and does that process still live? So that what a killed run left behind can be swept away.

A signature names the machine, what its processes' numbers count within (two containers may share a host name, and both
have a process 7), and the process: `host_4026531836-4711`. A process from elsewhere cannot be asked, so its files count
as abandoned after a day without a write.
"""

import os
import re
import socket
import time
from functools import cache
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


@cache
def _host() -> str:
    try:
        within = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
    except OSError:  # a system without such namespaces
        within = "0"
    return f"{re.sub(r'[^0-9A-Za-z]', '_', socket.gethostname())}_{within}"


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
