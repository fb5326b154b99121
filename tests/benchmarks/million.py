"""The whole command on a large table, Parquet to Parquet: seconds by step, and the peak memory of its process.

Fifty columns of numbers and ten classes by a linear rule; then 2 % of the labels are moved to another class. The table
is written a block at a time to a temporary folder; precision and recall of the dropped rows are told beside the cost.
"proof" is what gate, calibration and faithfulness took, as a multiple of training and scoring.

    python -m tests.benchmarks.million [--rows 1000000] [--proxies auto linear forest neighbors]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.cases import Array
from tests.benchmarks.linear_data import make_blocks
from tests.benchmarks.machine import MEGABYTE, run
from tests.benchmarks.tables import print_table

FEATURES, CLASSES, WRONG = 50, 10, 0.02
NOISE = 0.3  # of the classes' scores, whose own deviation is about 7: few rows are hard
STEPS = ("ingest", "train", "score", "check", "tag", "gate", "publish", "report")
PROOF, SCORING = ("check", "gate"), ("train", "score")


def main(words: Sequence[str] | None = None) -> None:
    """Write the table, clean it once with each proxy, print what it cost."""
    options = read(words)
    with tempfile.TemporaryDirectory(prefix="culpa-million-") as name:
        folder = Path(name)
        wrong = write_table(folder / "train.parquet", options.rows)
        found = {proxy: clean(folder, proxy, wrong) for proxy in options.proxies}
    header = ["proxy", *(f"{step} s" for step in STEPS), "proof", "all s", "peak MB", "dropped", "precision", "recall"]
    title = f"culpa clean --plain, {options.rows:,} rows x {FEATURES} columns, {WRONG:.0%} wrong labels"
    print_table(title, header, [line(proxy, cost) for proxy, cost in found.items()])


def write_table(file: Path, rows: int) -> Array:
    """The input, a block at a time; gives the mark of the wrong labels, (rows,)."""
    generator, marks, done = np.random.default_rng(1), [], 0
    names = [f"x{k}" for k in range(FEATURES)]
    schema = pa.schema([("id", pa.int64()), *((name, pa.float32()) for name in names), ("label", pa.string())])
    with pq.ParquetWriter(file, schema) as writer:
        for features, labels in make_blocks(rows, FEATURES, CLASSES, seed=0, noise=NOISE):
            wrong = generator.random(len(labels)) < WRONG
            labels[wrong] = (labels[wrong] + generator.integers(1, CLASSES, wrong.sum())) % CLASSES
            columns = [np.arange(done, done + len(labels)), *features.T, np.array([f"class {k}" for k in labels])]
            writer.write_table(pa.table([pa.array(column) for column in columns], schema=schema))
            marks.append(wrong)
            done += len(labels)
    return np.concatenate(marks)


def clean(folder: Path, proxy: str, wrong: Array) -> dict[str, Any]:
    """Run the command in a process of its own; its result, seconds, peak memory, and who was dropped."""
    out, store = folder / f"{proxy}.parquet", folder / f"{proxy}.duckdb"
    words = [str(folder / "train.parquet"), "--label", "label", "--key", "id", "--proxy", proxy, "--plain", "--json"]
    command = [sys.executable, "-m", "culpa.flows.command", "clean", *words, "--store", str(store), "--out", str(out)]
    finished = run(command)
    dropped = np.ones(len(wrong), bool)
    dropped[pq.read_table(out, columns=["id"])["id"].to_numpy()] = False
    caught = int((dropped & wrong).sum())
    judged = {"precision": caught / max(1, int(dropped.sum())), "recall": caught / max(1, int(wrong.sum()))}
    return {**json.loads(finished.output), "all": finished.seconds, "peak": finished.peak, **judged}


def line(proxy: str, cost: dict[str, Any]) -> list[str]:
    """One line of the table."""
    each = [f"{cost['seconds'].get(step, 0.0):.1f}" for step in STEPS]
    proof, scoring = (sum(cost["seconds"].get(step, 0.0) for step in steps) for steps in (PROOF, SCORING))
    whole = [f"{proof / scoring:.2f}", f"{cost['all']:.1f}", f"{cost['peak'] / MEGABYTE:,.0f}", f"{cost['dropped']:,}"]
    return [proxy, *each, *whole, f"{cost['precision']:.3f}", f"{cost['recall']:.3f}"]


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--proxies", nargs="+", default=["auto"])
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
