"""A real Prefect server on loopback with a home and a database of its own, a worker, and their API without Prefect."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from culpa.flows.quiet import QUIET

T = TypeVar("T")
PATIENCE = 120.0  # seconds that a step may take where others keep the machine busy


def until(look: Callable[[], T | None], what: str, patience: float = PATIENCE, every: float = 0.2) -> T:
    """What `look` finds once it finds something."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(every)
    raise AssertionError(f"waited {patience:g} s in vain for {what}")


@dataclass
class RealServer:
    """The server's address and environment; every process that was started through it ends with it."""

    home: Path
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        own = {"PREFECT_HOME": str(self.home), "PREFECT_API_URL": self.url, "PREFECT_WORKER_QUERY_SECONDS": "1"}
        mine = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return {**mine, **QUIET, **own, "OMP_NUM_THREADS": "1", "PREFECT_SERVER_API_PORT": str(self.port)}

    def start(self, *words: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start `python -m ...` in a session of its own, so that its children can be found and ended."""
        log = (self.home / f"{len(self.processes)}-{words[1] if len(words) > 1 else words[0]}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=cwd or self.home,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def run(self, *words: str, cwd: Path, **more: str) -> str:
        """Run `python -m ...` to its end."""
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=cwd,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, path: str, **body: Any) -> Any:
        """POST to the API."""
        answer = httpx.post(f"{self.url}/{path}", json=body, timeout=30.0)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        """GET from the API."""
        return httpx.get(f"{self.url}/{path}", timeout=30.0).raise_for_status().json()

    def is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5.0).is_success
        except httpx.HTTPError:
            return False

    def runs_of(self, deployment: str) -> list[dict[str, Any]]:
        """The flow runs of a deployment, the oldest first."""
        return self.ask("flow_runs/filter", deployments={"name": {"any_": [deployment]}}, sort="START_TIME_ASC")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events of a name."""
        return self.ask("events/filter", filter={"event": {"name": [name]}})["events"]

    def start_run(self, deployment: str, **parameters: Any) -> str:
        """Ask for a run of a deployment, named FLOW/NAME; gives the run's id."""
        found = self.get(f"deployments/name/{deployment}")
        return self.ask(f"deployments/{found['id']}/create_flow_run", parameters=parameters)["id"]

    def stop(self) -> None:
        """Kill every process, and theirs."""
        for process in reversed(self.processes):
            kill_all_of(process)


@contextmanager
def real_server(home: Path) -> Iterator[RealServer]:
    """A server that runs while the block does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home.mkdir(parents=True, exist_ok=True)
    server = RealServer(home, port)
    try:
        server.start("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
        until(server.is_up, "the server to answer")
        yield server
    finally:
        server.stop()


def kill_all_of(process: subprocess.Popen[bytes]) -> None:
    """Kill -9 a process and all that descend from it, whatever session they are in."""
    for one in [process.pid, *descendants(process.pid)]:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait(10)


def descendants(process: int) -> list[int]:
    """The children of a process, and theirs."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):  # it has just ended
            continue
    found, new = [], [process]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found
