"""Deployments at work: a real server on loopback, a process worker, the repository's own prefect.yaml."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from culpa.tasks.runs import query
from tests.flows.blobs import blobs
from tests.flows.real_server import RealServer, kill_all_of, real_server, until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
QUICK = {"proxy": "linear", "gate": "off", "calibrate": False, "faithfulness": False, "report": False}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the deployments' paths start from, with a copy of prefect.yaml whose runs are quick."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "incoming").mkdir()
    given = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    for deployment in given["deployments"]:
        if deployment["name"] in ("nightly", "on-arrival"):
            deployment["parameters"] = {**deployment["parameters"], **QUICK}
        if deployment["name"] == "watch":
            deployment["parameters"]["settle"] = 0.5
            del deployment["schedules"]  # the tests say when
    (folder / "prefect.yaml").write_text(yaml.safe_dump(given))
    return folder


@pytest.fixture(scope="module")
def server(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """A server that knows the deployments."""
    with real_server(tmp_path_factory.mktemp("prefect")) as server:
        server.run("prefect", "work-pool", "create", "culpa", "--type", "process", cwd=data)
        server.run("prefect", "deploy", "--all", "--no-prompt", cwd=data, CULPA_DATA=str(data))
        yield server


@pytest.fixture(scope="module")
def worker(server: RealServer) -> subprocess.Popen[bytes]:
    """A worker that waits for runs; the last test kills it."""
    return server.start("prefect", "worker", "start", "--pool", "culpa")


def rows(count: int, seed: int) -> pd.DataFrame:
    return blobs(rows=count, wrong=count // 15, seed=seed)[0].rename(columns={"kind": "label"})


def state_of(server: RealServer, run: str) -> str:
    return server.get(f"flow_runs/{run}")["state_type"]


def ended(server: RealServer, run: str) -> str | None:
    state = state_of(server, run)
    return state if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None


def test_the_server_shows_a_form_with_every_setting(server: RealServer) -> None:
    from culpa.tasks.settings import Options

    form = server.get("deployments/name/culpa-clean/nightly")["parameter_openapi_schema"]
    assert set(form["properties"]) == {"source", *Options.model_fields}
    assert form["required"] == ["source", "label"]
    assert form["properties"]["gate"]["enum"] == ["better", "not-worse", "off"]
    assert form["properties"]["max_drop"]["type"] == "number"


def test_a_file_that_is_dropped_into_the_folder_comes_out_cleaned(
    server: RealServer, worker: subprocess.Popen[bytes], data: Path
) -> None:
    clock = Clock()
    given = rows(180, seed=0)
    given.to_parquet(data / "incoming" / "monday.parquet", index=False)
    clock.tick("the file is dropped")
    looking = server.start_run("culpa-watch/watch")
    arrived = until(lambda: server.events("culpa.file.arrived"), "the event")
    clock.tick("the event has arrived")
    started = until(lambda: server.runs_of("on-arrival"), "a run")
    clock.tick("the deployment's run is made")
    until(lambda: state_of(server, started[0]["id"]) == "RUNNING", "the run to start")
    clock.tick("its process runs the flow")
    until((data / "cleaned" / "monday.cleaned.parquet").exists, "the cleaned file")
    clock.tick("the cleaned file lies there")
    assert until(lambda: ended(server, started[0]["id"]), "its end") == "COMPLETED"
    clock.tick("the run has ended")
    assert until(lambda: ended(server, looking), "the look's end") == "COMPLETED"
    assert [event["payload"]["file"] for event in arrived] == ["monday.parquet"]
    assert_whole(data / "cleaned" / "monday.cleaned.parquet", given)
    told = until(lambda: server.events("culpa.cleaned"), "the event of the cleaned file")
    assert [event["payload"]["dataset"] for event in told] == ["monday"]
    print("\n".join(clock.lines))


def test_a_run_whose_worker_is_killed_halfway_is_run_again_and_finishes_once(
    server: RealServer, worker: subprocess.Popen[bytes], data: Path
) -> None:
    given = rows(600, seed=1)
    given.to_parquet(data / "train.parquet", index=False)
    run = server.start_run("culpa-clean/nightly", proxy="auto")
    until(lambda: steps_of(server, run).get("ingest") == "COMPLETED", "the run to be halfway", every=0.05)
    kill_all_of(worker)
    before = query(data / "culpa.duckdb", "select state from runs where dataset = 'train'").to_pylist()
    assert before == [{"state": "ingested"}]
    assert not (data / "cleaned.parquet").exists()
    assert state_of(server, run) == "RUNNING"  # nobody could tell the server
    for state in ("CRASHED", "SCHEDULED"):  # what `prefect flow-run retry` asks for
        server.ask(f"flow_runs/{run}/set_state", state={"type": state}, force=True)
    server.start("prefect", "worker", "start", "--pool", "culpa")
    assert until(lambda: ended(server, run), "the run's end") == "COMPLETED"
    assert server.get(f"flow_runs/{run}")["run_count"] == 2
    assert_whole(data / "cleaned.parquet", given)
    after = query(data / "culpa.duckdb", "select state, count(*) as n from runs where dataset = 'train' group by all")
    assert after.to_pylist() == [{"state": "published", "n": 1}]
    doubled = "select count(*) - count(distinct (run_id, row_id)) as n from scores"
    assert query(data / "culpa.duckdb", doubled).to_pylist() == [{"n": 0}]
    assert not [path.name for path in data.iterdir() if path.name.startswith(".") or path.suffix == ".work"]


def steps_of(server: RealServer, run: str) -> dict[str, str]:
    """The states of a run's steps."""
    found = server.ask("task_runs/filter", flow_runs={"id": {"any_": [run]}})
    return {task["name"].split()[0]: task["state_type"] for task in found}


def assert_whole(cleaned: Path, given: pd.DataFrame) -> None:
    """Clean and quarantine together hold every given row once, and the manifest seals them."""
    quarantine = cleaned.with_name(cleaned.name.replace(".parquet", ".quarantine.parquet"))
    found = pd.concat([pd.read_parquet(cleaned), pd.read_parquet(quarantine)])
    assert sorted(found["id"]) == sorted(given["id"])
    manifest = json.loads(cleaned.with_name(cleaned.name.replace(".parquet", ".manifest.json")).read_text())
    assert sum(file["rows"] for file in manifest["files"].values()) == len(given)


class Clock:
    """Seconds since the first tick."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.lines: list[str] = []

    def tick(self, what: Any) -> None:
        self.lines.append(f"{time.perf_counter() - self.start:6.1f} s  {what}")
