"""Whose file it is: a process of this machine is asked, any other is given a day."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from culpa.tasks import owners


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_file_is_left_behind_once_its_process_has_ended(tmp_path: Path, dead: int) -> None:
    mine = owners.signature()
    assert not owners.is_abandoned(tmp_path, mine)
    assert owners.is_abandoned(tmp_path, mine.replace(f"-{os.getpid()}", f"-{dead}"))


def test_a_process_of_the_same_number_in_another_container_of_the_same_name_is_not_asked(
    tmp_path: Path, dead: int
) -> None:
    host, _, within = owners.signature().rpartition("-")[0].rpartition("_")
    elsewhere = f"{host}_{int(within) + 1}-{dead}"
    assert not owners.is_abandoned(tmp_path, elsewhere)
    os.utime(tmp_path, (then := time.time() - 2 * owners.ABANDONED_SECONDS, then))
    assert owners.is_abandoned(tmp_path, elsewhere)


def test_a_file_that_is_gone_is_nobodys_to_sweep(tmp_path: Path) -> None:
    assert not owners.is_abandoned(tmp_path / "gone", "elsewhere_1-7")
