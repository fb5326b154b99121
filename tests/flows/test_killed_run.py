"""A command killed at any moment leaves a store that opens, no half output, and a rerun that completes."""

import json
import multiprocessing
import random
import time
from hashlib import sha256
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from culpa.tasks.store import connect

MOMENTS = 6
ROWS = 300
HOW = ("--proxy", "linear", "--gate", "off", "--no-calibrate", "--no-faithfulness", "--plain", "--json")
OUTPUTS = ("cleaned.parquet", "cleaned.quarantine.parquet", "cleaned.manifest.json")


def clean(folder: Path) -> None:
    """The whole command, in a process of its own that has the libraries at hand."""
    from culpa.flows.command import answer

    words = ["clean", "train.parquet", "--label", "label", "--key", "id", "--out", "cleaned.parquet"]
    places = [str(folder / word) if word.endswith(".parquet") else word for word in words]
    raise SystemExit(answer([*places, "--store", str(folder / "culpa.duckdb"), *HOW]))


def write_table(folder: Path) -> None:
    """Two classes, a tenth of the labels wrong."""
    random_numbers = np.random.default_rng(0)
    features = random_numbers.normal(size=(ROWS, 4))
    labels = np.where((features[:, 0] > 0) ^ (np.arange(ROWS) % 10 == 0), "yes", "no")
    table = pd.DataFrame(features, columns=list("abcd")).assign(id=[f"r{row}" for row in range(ROWS)], label=labels)
    table.to_parquet(folder / "train.parquet")


def started(processes: ForkServerContext, folder: Path) -> multiprocessing.process.BaseProcess:
    process = processes.Process(target=clean, args=(folder,))
    process.start()
    return process


def check_nothing_is_half(folder: Path) -> None:
    """What lies there is whole: the store opens, a run has all its tags or none, files can be read."""
    if (folder / "culpa.duckdb").exists():
        with connect(folder / "culpa.duckdb") as connection:
            states = connection.execute(
                """SELECT state, row_count, (SELECT count(*) FROM rows r WHERE r.run_id = u.run_id),
                   (SELECT count(*) FROM tags t WHERE t.run_id = u.run_id) FROM runs u"""
            ).fetchall()
        for state, expected, rows, tags in states:
            assert (expected, rows, tags) == (ROWS, ROWS, 0 if state == "ingested" else ROWS)
    for name in OUTPUTS[:2]:
        if (folder / name).exists():
            assert pq.read_table(folder / name).num_rows > 0
    if (folder / OUTPUTS[2]).exists():  # it comes last and seals the others
        sealed = json.loads((folder / OUTPUTS[2]).read_text())["files"]
        for role, name in zip(("clean", "quarantine"), OUTPUTS[:2], strict=True):
            assert sealed[role]["sha256"] == sha256((folder / name).read_bytes()).hexdigest()


def check_complete(folder: Path) -> None:
    """All three files, the store and its reports, nothing else; clean and quarantine together hold every row once."""
    others = ["culpa.duckdb", "culpa.duckdb.reports", "train.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*others, *OUTPUTS])
    ids = [row for name in OUTPUTS[:2] for row in pq.read_table(folder / name)["id"].to_pylist()]
    assert sorted(ids) == sorted(f"r{row}" for row in range(ROWS))
    with connect(folder / "culpa.duckdb") as connection:
        assert connection.execute("SELECT state FROM runs").fetchall() == [("published",)]


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Starts processes in which the libraries are already imported, so that every moment falls into the work itself."""
    context = multiprocessing.get_context("forkserver")
    steps = ("ingest", "train", "score", "check", "tag", "gate", "trials", "publish", "report")
    context.set_forkserver_preload(
        ["culpa.flows.command", "culpa.flows.plain", *(f"culpa.tasks.{step}" for step in steps)]
    )
    return context


@pytest.fixture(scope="module")
def seconds(processes: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the command takes when nobody kills it, the second time: the first starts the server."""
    took = 0.0
    for _ in range(2):
        folder = tmp_path_factory.mktemp("whole")
        write_table(folder)
        start = time.perf_counter()
        process = started(processes, folder)
        process.join(120)
        took = time.perf_counter() - start
        assert process.exitcode == 0
        check_complete(folder)
    return took


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_killed_command_leaves_nothing_half_and_a_rerun_completes(
    tmp_path: Path, processes: ForkServerContext, seconds: float, moment: int
) -> None:
    write_table(tmp_path)
    process = started(processes, tmp_path)
    process.join(seconds * (moment + random.Random(moment).random()) / MOMENTS)
    process.kill()
    process.join(10)
    check_nothing_is_half(tmp_path)
    again = started(processes, tmp_path)
    again.join(120)
    assert again.exitcode == 0
    check_complete(tmp_path)
