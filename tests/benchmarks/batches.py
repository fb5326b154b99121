"""A batch of one in a hundred onto a data set of a million rows: what it costs beside a run over everything, and how
far its scores are off.

Three batches come onto the data set: with the first one the kept model begins. Then all rows are flagged again in one
run, without the checks and the gate in either. Two comparisons of the last batch's scores are told: with that whole
run, which sees the refused rows, fits its noise model to all and draws other folds; and with the same model fitted
again on everything, which is what the closed form stands in for.

    python -m tests.benchmarks.batches [--rows 1000000] [--share 0.01]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import spearmanr

from culpa.influence import batches
from culpa.influence.ensemble import look_again
from culpa.influence.linear.growing import begin_growing
from culpa.influence.linear.proxy import fit_linear
from culpa.influence.rows import Rows
from culpa.tasks.runs import query
from tests.benchmarks.linear_data import make_blocks
from tests.benchmarks.machine import MEGABYTE, run
from tests.benchmarks.million import CLASSES, FEATURES, NOISE, WRONG, write_table
from tests.benchmarks.tables import print_table

BATCHES = 3
STEPS = ("ingest", "train", "score", "tag")
COLUMNS = ("suspicion", "probability_wrong", "probability_without", "memorization", "self_influence", "influence")


def main(words: Sequence[str] | None = None) -> None:
    """Write the data, bring the batches, flag everything, print costs and differences."""
    options = read(words)
    each = round(options.rows * options.share)
    with tempfile.TemporaryDirectory(prefix="culpa-batches-") as name:
        folder = Path(name)
        write_table(folder / "all.parquet", options.rows + BATCHES * each)
        names = cut(folder, options.rows, each)
        costs = {name: flag(folder, name, "pets", "--onto", "pets") for name in names}
        costs["everything"] = flag(folder, "all", "whole")
        title = f"culpa flag --plain --proxy linear, {options.rows:,} rows and {BATCHES} batches of {each:,}"
        print_table(title, ["input", *(f"{step} s" for step in STEPS), "all s", "peak MB"], lines(costs))
        print(f"the last batch took {costs[names[-1]]['all'] / costs['everything']['all']:.3f} of the whole run")
        print_table("with a run over everything", HEADER, compare_runs(folder, costs[names[-1]]["run_id"], costs))
    print_table("with the same model fitted again on everything", HEADER, compare_models(options.rows, each))


def cut(folder: Path, rows: int, each: int) -> list[str]:
    """The first rows and each batch in a file of their own; gives the files' stems."""
    table = pq.read_table(folder / "all.parquet")
    names = ["first", *(f"batch {number + 1}" for number in range(BATCHES))]
    ends = np.cumsum([0, rows, *[each] * BATCHES])
    for name, start, end in zip(names, ends[:-1], ends[1:], strict=True):
        pq.write_table(table.slice(start, end - start), folder / f"{name}.parquet")
    return names


def flag(folder: Path, name: str, store: str, *more: str) -> dict[str, Any]:
    """Run the command in a process of its own."""
    words = [str(folder / f"{name}.parquet"), "--label", "label", "--key", "id", "--proxy", "linear"]
    without = ["--plain", "--json", "--no-calibrate", "--no-faithfulness", "--no-report"]
    command = [sys.executable, "-m", "culpa.flows.command", "flag", *words, *without, *more]
    finished = run([*command, "--store", str(folder / f"{store}.duckdb")])
    return {**json.loads(finished.output), "all": finished.seconds, "peak": finished.peak}


def lines(costs: dict[str, dict[str, Any]]) -> list[list[str]]:
    """A line of the table for each command."""
    return [
        [
            name,
            *(f"{cost['seconds'].get(step, 0.0):.1f}" for step in STEPS),
            f"{cost['all']:.1f}",
            f"{cost['peak'] / MEGABYTE:,.0f}",
        ]
        for name, cost in costs.items()
    ]


HEADER = ["score", "largest difference", "of its deviation", "Spearman"]


def compare_runs(folder: Path, batch: str, costs: dict[str, dict[str, Any]]) -> list[list[str]]:
    """The last batch's scores beside those of the run over everything."""
    asked = f"SELECT row_id, {', '.join(COLUMNS)} FROM scores WHERE run_id = '{{}}'"
    mine = query(folder / "pets.duckdb", asked.format(batch)).to_pandas().set_index("row_id")
    whole = query(folder / "whole.duckdb", asked.format(costs["everything"]["run_id"])).to_pandas()
    whole = whole.set_index("row_id").loc[mine.index]
    return [difference(name, mine[name].to_numpy(), whole[name].to_numpy()) for name in COLUMNS]


def compare_models(rows: int, each: int) -> list[list[str]]:
    """The batch's scores by the grown model, beside those of one that was fitted again on all rows."""
    blocks = list(make_blocks(rows + each, FEATURES, CLASSES, seed=0, noise=NOISE))
    features, labels = (np.concatenate([block[place] for block in blocks]) for place in (0, 1))
    generator = np.random.default_rng(1)
    wrong = generator.random(len(labels)) < WRONG
    labels[wrong] = (labels[wrong] + generator.integers(1, CLASSES, wrong.sum())) % CLASSES
    every = Rows(features / features.std(), labels, CLASSES, np.arange(len(labels)))
    old, new = every.take(np.arange(rows)), every.take(np.arange(rows, rows + each))
    nobody = every.take(np.zeros(0, np.intp))
    base, found = batches.join(batches.begin(old, nobody), new, nobody, seed=0)
    fitted = fit_linear(every, l2=base.model.penalty / len(every))
    view = look_again({"linear": fitted.scores().without}, every, base.opinion)
    whole = replace(base, model=begin_growing(every, ~view.contradicted, fitted))
    again = batches.scores_of(whole, new, seed=0)
    return [difference(name, found.scores[name], again.scores[name]) for name in COLUMNS]


def difference(name: str, found: Any, oracle: Any) -> list[str]:
    """One line of a table."""
    off, scale = float(np.abs(found - oracle).max()), float(np.std(oracle))
    return [name, f"{off:.2g}", f"{off / scale:.2g}", f"{spearmanr(found, oracle).statistic:.5f}"]


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=0.01)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
