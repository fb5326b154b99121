"""How fast, and in how much memory? A 50-64-10 network over many rows, beside other libraries, in turn.

Each question is asked in a process of its own, all sides in turn; each figure is the median, and each ratio that of two
medians of one process.

pass       a plain forward and backward pass over the rows, for scale
tracin     self-influence by TracIn at one checkpoint: culpa over all layers, captum over the last one alone, once with
           its own way of loading rows and once with rows that come in batches already
ekfac      EK-FAC fitted, and self-influence through it
pairs      EK-FAC fitted, and the influence of every row on each of 1,000 reference rows; captum without a curvature
mean       the same on the mean loss of the reference rows, (rows,)

Memory is the peak over what data and libraries take, of each side in a process of its own. On a machine that others use
too, ratios of processor seconds (`--clock cpu`, best with one thread) are steadier than those of elapsed ones. dattri's
self-influence accepts all rows in one batch only and takes long: `--slow-pairs` is how often it takes part.

    python -m tests.benchmarks.peers.network_speed [--rows 100000] [--pairs 5]
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from culpa.influence.attribution.through_curvature import NetworkInfluence
from culpa.influence.attribution.tracin import TracIn
from culpa.influence.curvature import fit_ekfac
from culpa.influence.gradients import in_order
from culpa.influence.network import Checkpoint, Recipe, Training
from tests.benchmarks.linear_data import make_rows
from tests.benchmarks.machine import MEGABYTE, forget_peak, memory, run_module
from tests.benchmarks.peers.explained import installed
from tests.benchmarks.tables import print_table

__all__ = ["main"]

FEATURES, HIDDEN, CLASSES, REFERENCE, BATCH = 50, 64, 10, 1_000, 4_096
MODULE = "tests.benchmarks.peers.network_speed"
WANTED = {
    ("tracin", "plain pass"): "culpa at most 1.5 times",
    ("tracin", "captum"): "culpa no slower",
    ("ekfac", "kronfluence"): "culpa 3 times faster",
    ("ekfac", "dattri"): "culpa 10 times faster",
}

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Work = Callable[[Training, Sequence[torch.Tensor]], object]


def main(words: Sequence[str] | None = None) -> None:
    """Ask every question in a process of its own and print seconds, ratios and megabytes."""
    options = read(words)
    if options.question:
        print(json.dumps(answer(options)))
        return
    shared = ["--rows", str(options.rows), "--pairs", str(options.pairs), "--slow-pairs", str(options.slow_pairs)]
    shared += ["--clock", options.clock]
    lines = []
    for question, sides in questions().items():
        seconds = run_module(MODULE, "--question", question, *shared)
        for side in sides:
            peak = run_module(MODULE, "--question", question, "--side", side, *shared)["peak"]
            lines.append(line(question, side, seconds, peak))
    print_table(
        f"{FEATURES}-{HIDDEN}-{CLASSES} network, {options.rows:,} rows, threads: {torch.get_num_threads()}",
        ["question", "side", f"{options.clock} seconds", "times culpa", "peak MB over the data", "wanted"],
        lines,
    )


def line(question: str, side: str, seconds: dict[str, float], peak: float) -> list[str]:
    """One side of one question."""
    ratio = seconds[side] / seconds["culpa"]
    wanted = WANTED.get((question, side), "culpa below 500 MB" if side == "culpa" else "")
    return [question, side, f"{seconds[side]:.3f}", f"{ratio:.2f}", f"{peak / MEGABYTE:.0f}", wanted]


def answer(options: argparse.Namespace) -> dict[str, float]:
    """Inside a process: seconds of all sides in turn, or the peak memory of one."""
    training, reference = trained(options.rows)
    sides = questions()[options.question]
    if options.side:
        return {"peak": peak_of(sides[options.side], training, reference)}
    return in_turn(sides, training, reference, options)


def trained(rows: int) -> tuple[Training, Sequence[torch.Tensor]]:
    """The rows, a network that has learnt a little of them, and reference rows. Weights do not change the cost."""
    made = make_rows(rows + REFERENCE, FEATURES, CLASSES, seed=0)
    features, labels = torch.as_tensor(made.features), torch.as_tensor(made.labels)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for batch in in_order((features[:rows], labels[:rows]), BATCH):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(batch[0]), batch[1]).backward()
        optimizer.step()
    optimizer.zero_grad()
    recipe = Recipe(lambda: module, rate=0.1, epochs=1)
    checkpoint = Checkpoint({name: value.clone() for name, value in module.state_dict().items()}, 0.1)
    data = features[:rows], labels[:rows]
    return Training(recipe, data, 0, module.eval(), (checkpoint,)), (features[rows:], labels[rows:])


def in_turn(
    sides: dict[str, Work], training: Training, reference: Sequence[torch.Tensor], options: argparse.Namespace
) -> dict[str, float]:
    """Median seconds of each side; one round to warm up, then all in turn."""
    clock = CLOCKS[options.clock]
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(options.pairs + 1):
        for name, work in sides.items():
            if name == "dattri" and turn >= options.slow_pairs:
                continue
            start = clock()
            work(training, reference)
            seconds[name].append(clock() - start)
    return {name: float(np.median(found[1:] or found)) for name, found in seconds.items()}


def peak_of(work: Work, training: Training, reference: Sequence[torch.Tensor]) -> float:
    """Bytes over what is held before; what libraries load on first use is not counted."""
    few = Training(training.recipe, [part[:200] for part in training.data], 0, training.module, training.checkpoints)
    work(few, [part[:10] for part in reference])
    forget_peak()
    before = memory("VmRSS")
    work(training, reference)
    return memory("VmHWM") - before


def questions() -> dict[str, dict[str, Work]]:
    """Every question with those who can answer it here, culpa first."""
    found: dict[str, dict[str, Work]] = {
        "tracin": {"culpa": tracin_own, "plain pass": plain_pass},
        "ekfac": {"culpa": ekfac_own},
        "pairs": {"culpa": ekfac_pairs},
        "mean": {"culpa": ekfac_mean},
    }
    if installed("captum"):
        from tests.benchmarks.peers import captum_side

        found["tracin"]["captum"] = lambda training, _: captum_side.own(training)
        found["tracin"]["captum, rows in batches"] = lambda training, _: captum_side.own(training, batched=True)
        found["pairs"]["captum, last layer, no curvature"] = captum_side.between
    if installed("kronfluence"):
        from tests.benchmarks.peers import kronfluence_side

        found["ekfac"]["kronfluence"] = lambda training, _: kronfluence_side.own(training, None)
        found["pairs"]["kronfluence"] = lambda training, rows: kronfluence_side.between(training, rows, None)
        found["mean"]["kronfluence"] = lambda training, rows: kronfluence_side.on_mean(training, rows, None)
    if installed("dattri"):
        from tests.benchmarks.peers import dattri_side

        found["ekfac"]["dattri"] = lambda training, _: dattri_side.own(training, 1e-3)
        found["pairs"]["dattri"] = lambda training, rows: dattri_side.ekfac(training, rows, 1e-3)
    return found


def plain_pass(training: Training, reference: Sequence[torch.Tensor]) -> None:
    """Losses of all rows, and the gradient of their sum."""
    for features, labels in training.batches(BATCH):
        nn.functional.cross_entropy(training.module(features), labels, reduction="sum").backward()
    training.module.zero_grad()


def tracin_own(training: Training, reference: Sequence[torch.Tensor]) -> torch.Tensor:
    """TracIn over all layers, (rows,)."""
    tracin = TracIn(training.module, training.recipe.objective, training.checkpoints)
    return tracin.own(training.batches(BATCH))


def ekfac_own(training: Training, reference: Sequence[torch.Tensor]) -> torch.Tensor:
    """Fit and self-influence, (rows,)."""
    return _through_ekfac(training).own(training.batches(BATCH))


def ekfac_pairs(training: Training, reference: Sequence[torch.Tensor]) -> torch.Tensor:
    """Fit and influence of all pairs, (rows, reference rows)."""
    return _through_ekfac(training).between(training.batches(BATCH), [reference])


def ekfac_mean(training: Training, reference: Sequence[torch.Tensor]) -> torch.Tensor:
    """Fit and influence on the mean reference loss, (rows,)."""
    return _through_ekfac(training).on_mean(training.batches(BATCH), [reference])


def _through_ekfac(training: Training) -> NetworkInfluence:
    objective = training.recipe.objective
    curvature = fit_ekfac(training.module, objective, training.batches(BATCH), seed=0)
    return NetworkInfluence(training.module, objective, curvature, len(training))


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=5, help="how often the sides take turns")
    parser.add_argument("--slow-pairs", type=int, default=2, help="how often dattri does, the first time to warm up")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--question", choices=("tracin", "ekfac", "pairs", "mean"), help=argparse.SUPPRESS)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
