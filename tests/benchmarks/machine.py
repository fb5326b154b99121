"""Fresh processes and their memory. Peak memory is the kernel's own mark (VmHWM), so these measurements need Linux.

The settings that force OpenBLAS to some other processor or cache size are taken out of the environment together: one
without the other makes its products several times slower, and every ratio meaningless.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORCED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
POLL_SECONDS = 0.02
MEGABYTE = 1e6


@dataclass(frozen=True)
class Finished:
    """A command that came to its end."""

    output: str
    seconds: float
    peak: float  # bytes of memory at its largest


def run(command: Sequence[str]) -> Finished:
    """Run a command to its end and watch its memory; RuntimeError with its last words if it fails."""
    start, peak = time.perf_counter(), 0.0
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, memory("VmHWM", process.pid))
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - start
        output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {output[-500:]}")
    return Finished(output, seconds, peak)


def run_module(module: str, *words: str) -> dict[str, Any]:
    """What `python -m module words` prints as JSON."""
    found: dict[str, Any] = json.loads(run([sys.executable, "-m", module, *words]).output)
    return found


def clean_environment() -> dict[str, str]:
    """The environment without what forces OpenBLAS."""
    return {name: value for name, value in os.environ.items() if name not in FORCED}


def memory(mark: str, process: int | str = "self") -> float:
    """Bytes of memory of a process: VmRSS now, VmHWM at its largest; 0 once it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(rf"{mark}:\s+(\d+) kB", status)
    return int(found[1]) * 1024.0 if found else 0.0


def forget_peak() -> None:
    """Set this process's peak back to what it holds now, where the kernel lets it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
