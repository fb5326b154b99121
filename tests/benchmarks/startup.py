"""What each way to run costs beside the work: on a table that has not changed there is next to none to do.

    python -m tests.benchmarks.startup --repeats 3

Seconds of wall time, the median of the repeats. A served run, and a worker's, count from the request to the run's end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import yaml

from tests.benchmarks.machine import clean_environment
from tests.benchmarks.tables import print_table
from tests.flows.blobs import blobs
from tests.flows.real_server import RealServer, kill_all_of, real_server, until

ROOT = Path(__file__).parents[2]
QUICK = ("--proxy", "linear", "--gate", "off", "--no-calibrate", "--no-faithfulness", "--no-report")
OPTIONS = ("--label", "label", "--key", "id", *QUICK)
CLEAN = ("culpa.flows.command", "clean", "train.parquet", *OPTIONS, "--out", "cleaned.parquet")
WATCH = ("culpa.flows.command", "watch", "incoming", *OPTIONS, "--settle", "0.5")


def main(words: Sequence[str]) -> None:
    """Measure every way and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args(words).repeats
    with tempfile.TemporaryDirectory(prefix="culpa-startup-") as name:
        folder = Path(name)
        (folder / "incoming").mkdir()
        table = blobs()[0].rename(columns={"kind": "label"})
        table.to_parquet(folder / "train.parquet", index=False)
        alone = environment(PREFECT_HOME=str(folder / "home"))
        process(folder, alone, *CLEAN, "--plain")  # there is nothing left to do
        lines = [
            ("python: nothing", seconds(repeats, lambda: code(folder, alone, "pass"))),
            ("python: import culpa.flows.plain", seconds(repeats, lambda: code(folder, alone, IMPORT_PLAIN))),
            ("python: import the flow", seconds(repeats, lambda: code(folder, alone, IMPORT_FLOW))),
            ("culpa --help", seconds(repeats, lambda: process(folder, alone, "culpa.flows.command", "--help"))),
            ("culpa clean --plain", seconds(repeats, lambda: process(folder, alone, *CLEAN, "--plain"))),
            ("culpa watch --plain, nothing new", seconds(repeats, lambda: process(folder, alone, *WATCH, "--plain"))),
            ("culpa clean, its own server", seconds(repeats, lambda: process(folder, alone, *CLEAN))),
            *on_a_server(folder, repeats),
        ]
    print_table(f"seconds, median of {repeats}", ("way", "seconds"), [(way, f"{took:.1f}") for way, took in lines])


IMPORT_PLAIN = "from culpa.flows.plain import clean"
IMPORT_FLOW = "from culpa.flows import clean; clean"


def on_a_server(folder: Path, repeats: int) -> list[tuple[str, float]]:
    """The ways that need a running server, with what its own start takes."""
    start = time.perf_counter()
    with real_server(folder / "prefect") as server:
        lines = [("prefect server start, until it answers", time.perf_counter() - start)]
        there = environment(**{name: text for name, text in server.environment.items() if name.startswith("PREFECT_")})
        ways = (("culpa clean, a running server", CLEAN), ("culpa watch, a running server, nothing new", WATCH))
        for way, command in ways:
            lines.append((way, seconds(repeats, lambda command=command: process(folder, there, *command))))
        process_served = server.start(
            *CLEAN[:1], "serve", "train.parquet", *OPTIONS, "--out", "cleaned.parquet", cwd=folder
        )
        until(lambda: known(server, "culpa-clean/clean"), "the served deployment")
        lines.append(("culpa serve, from request to end", seconds(repeats, lambda: asked(server, "culpa-clean/clean"))))
        kill_all_of(process_served)
        deploy(server, folder)
        asked(server, "culpa-clean/nightly")  # until it is done, the worker has started
        lines.append(("worker, from request to end", seconds(repeats, lambda: asked(server, "culpa-clean/nightly"))))
        return lines


def deploy(server: RealServer, folder: Path) -> None:
    """Deploy the repository's prefect.yaml with the quick options, and start a worker."""
    given = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    quick = {"proxy": "linear", "gate": "off", "calibrate": False, "faithfulness": False, "report": False}
    given["deployments"] = given["deployments"][:1]
    given["deployments"][0]["parameters"] |= quick
    (folder / "prefect.yaml").write_text(yaml.safe_dump(given))
    server.run("prefect", "work-pool", "create", "culpa", "--type", "process", cwd=folder)
    server.run("prefect", "deploy", "--all", "--no-prompt", cwd=folder, CULPA_DATA=str(folder))
    server.start("prefect", "worker", "start", "--pool", "culpa")


def asked(server: RealServer, deployment: str) -> None:
    """Ask for a run and wait for its end."""
    run = server.start_run(deployment)
    ended = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    end = until(
        lambda: (state := server.get(f"flow_runs/{run}")["state_type"]) in ended and state, "the end", every=0.1
    )
    if end != "COMPLETED":
        raise RuntimeError(f"the run of {deployment} is {end}")


def known(server: RealServer, deployment: str) -> bool:
    """Whether the server knows the deployment by now."""
    return bool(server.ask("deployments/filter", deployments={"name": {"any_": [deployment.split("/")[1]]}}))


def seconds(repeats: int, work: Callable[[], None]) -> float:
    """The median of the wall times."""
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return median(took)


def process(folder: Path, variables: dict[str, str], module: str, *words: str) -> None:
    """Run `python -m module ...` in the folder."""
    subprocess.run([sys.executable, "-m", module, *words], cwd=folder, env=variables, check=True, capture_output=True)


def code(folder: Path, variables: dict[str, str], text: str) -> None:
    """Run `python -c ...` in the folder."""
    subprocess.run([sys.executable, "-c", text], cwd=folder, env=variables, check=True, capture_output=True)


def environment(**more: str) -> dict[str, str]:
    """The machine's, without a user's own settings of Prefect."""
    mine = {name: text for name, text in clean_environment().items() if not name.startswith("PREFECT_")}
    return {**mine, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), **more}


if __name__ == "__main__":
    main(sys.argv[1:])
