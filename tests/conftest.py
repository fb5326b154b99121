"""No test calls home, and none touches the user's own Prefect: this is set before anything of Prefect is imported."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from culpa.flows.quiet import QUIET

os.environ.update(QUIET)
_HOME = tempfile.TemporaryDirectory(prefix="culpa-prefect-")
os.environ["PREFECT_HOME"] = _HOME.name
os.environ.pop("PREFECT_API_URL", None)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices: two threads wait for each other longer than they work


LONGEST = ("test_readme", "flows/", "test_methods")  # files that one process works on for minutes: they start first


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let no process begin the longest file when the others are done."""
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONGEST))


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A server of the tests' own, started once; flow runs end at once instead of waiting for their heartbeat."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is also the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
