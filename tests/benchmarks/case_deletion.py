"""Case deletion: does a model change its mind when the rows that a method blames for an output are taken away?

For a test row the rows of highest score are its proponents, those of lowest its opponents. Take k of them away, train
again, and see how P(c) changes, c being the class that the judged model gives the test row:

    DEL+ = mean change without the top k proponents, the lower the better
    DEL- = mean change without the top k opponents, the higher the better
    AUC-DEL = mean over k = 10 ... 100

Scores come from one training (seed 0, every epoch a checkpoint) and ask for the loss of c. The trainings again have
other seeds; each is compared with the training of its own seed on all rows, in the same start and order, so that
nothing else differs. Intervals are 95 %, from drawing test rows and seeds again. The second table draws the
*differences* to TracIn-WE, row by row and seed by seed: methods are compared there, for how far a test row can move at
all differs more between rows than between methods.
Source: Yeh et al. 2022, section 5.

    python -m tests.benchmarks.case_deletion --data FOLDER

FOLDER holds banking77_train, banking77_test, yoruba_train, yoruba_test and yoruba_reference.parquet (text, label).
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from culpa.influence.attribution import Choices, attribute
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Recipe, Training, train
from culpa.influence.network.together import losses_together, train_together
from tests.benchmarks.cases import Array
from tests.benchmarks.tables import print_table
from tests.benchmarks.text_sets import SETS, TextSet, load, small_reader

METHODS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "tracin-we": ("tracin-we", None),
    "tracin-we-topk": ("tracin-we-topk", None),
    "tracin-last": ("tracin-last", None),
    "tracin (all)": ("tracin", None),
    "influence, last layer": ("exact", ("last",)),
    "ekfac (all)": ("ekfac", None),
    "random": ("", None),
}
OURS = "tracin-we"
SIGNS = ("DEL+", "DEL-")
TOGETHER = 64  # networks trained as one
EPOCHS = 10
DRAWS = 2_000  # of test rows and seeds, for the intervals


def main(words: Sequence[str] | None = None) -> None:
    """Both text sets, or a sentence where there are none."""
    options = read(words)
    if options.data is None or not options.data.is_dir():
        print(f"case_deletion.py measured nothing: no folder {options.data}; name the one with the data by --data")
        return
    for name in options.sets:
        measure(load(options.data, name, intents=options.intents, most=options.most), options)


def measure(texts: TextSet, options: argparse.Namespace) -> None:
    """Score, remove, train again, print."""
    start = time.perf_counter()
    recipe = small_reader(texts, options.epochs)
    training = train(recipe, texts.training, seed=0)
    asked = questions(training, texts.test, options.rows)
    plan = planned({name: scores(training, asked, name) for name in METHODS}, options.sizes)
    changes = train_again(plan, texts.training, recipe, asked, options.seeds, options.jobs)
    by_method = {name: changes[which] for name, which in plan.which.items()}
    right = (training.module(texts.test[0]).argmax(1) == texts.test[1]).float().mean()
    what = f"{len(training):,} rows, {texts.classes} classes, test accuracy {right:.2f}"
    cost = f"{changes.size:,} trainings, {time.perf_counter() - start:.0f} s"
    print_areas(f"{texts.name}: {what}; {options.rows} test rows, {options.seeds} seeds, {cost}", by_method)
    differences = {name: by_method[OURS] - found for name, found in by_method.items() if name != OURS}
    print_areas(f"{texts.name}: {OURS} less the others, row by row and seed by seed", differences)
    print_sizes(f"{texts.name}: change of P(c) by the number of rows removed", by_method, options.sizes)


def questions(training: Training, test: Batch, count: int) -> Batch:
    """Some test rows, and the class that the network gives each."""
    rows = torch.randperm(len(test[0]), generator=torch.Generator().manual_seed(0))[:count]
    tokens = test[0][rows]
    with torch.no_grad():
        return tokens, training.module(tokens).argmax(1)


def scores(training: Training, asked: Batch, name: str) -> Tensor:
    """(training rows, test rows), positive helps."""
    method, layers = METHODS[name]
    if not method:
        return torch.randn(len(training), len(asked[0]), generator=torch.Generator().manual_seed(0))
    return attribute(training, method, Choices(seed=0, layers=layers)).between(asked)


@dataclass(frozen=True)
class Plan:
    """Which rows are taken away for which test row; what several methods agree on is trained once."""

    removed: list[tuple[int, ...]]  # of each training, positions of training rows
    rows: list[int]  # the test row that each training is for
    which: dict[str, NDArray[np.int64]]  # method -> (signs, sizes, test rows) the training's number


def planned(found: Mapping[str, Tensor], sizes: Sequence[int]) -> Plan:
    """The top proponents and opponents of every test row by every method."""
    numbers: dict[tuple[int, tuple[int, ...]], int] = {}
    which = {}
    for name, values in found.items():
        ends = [values.argsort(dim=0, descending=descending, stable=True) for descending in (True, False)]
        which[name] = np.array(
            [
                [[numbers.setdefault((row, _rows(order, row, size)), len(numbers)) for row in range(values.shape[1])]
                 for size in sizes]
                for order in ends
            ]
        )  # fmt: skip
    return Plan([removed for _, removed in numbers], [row for row, _ in numbers], which)


def _rows(order: Tensor, row: int, size: int) -> tuple[int, ...]:
    return tuple(sorted(order[:size, row].tolist()))


def train_again(plan: Plan, data: Batch, recipe: Recipe, asked: Batch, seeds: int, jobs: int) -> Array:
    """Change of P(c) of each training's own test row, (trainings, seeds)."""
    short = replace(recipe, checkpoints=1)
    starts = range(0, len(plan.removed), TOGETHER)
    work = [(slice(start, start + TOGETHER), seed) for seed in range(1, seeds + 1) for start in starts]
    run = joblib.Parallel(n_jobs=jobs)
    found = run(joblib.delayed(_changes)(plan.removed[part], plan.rows[part], data, short, asked, seed)
                for part, seed in work)  # fmt: skip
    return np.concatenate(found).reshape(seeds, -1).T


def _changes(
    removed: Sequence[Sequence[int]], rows: Sequence[int], data: Batch, recipe: Recipe, asked: Batch, seed: int
) -> Array:
    """Of some trainings and the one on all rows, from one seed, (trainings,)."""
    torch.set_num_threads(1)
    weights = torch.ones(len(removed) + 1, len(data[0]))
    for place, some in enumerate(removed):
        weights[place, list(some)] = 0
    trained = train_together(recipe, data, seeds=[seed] * len(weights), weights=weights)
    probabilities = torch.exp(-losses_together(trained, asked)).double().numpy()
    return probabilities[np.arange(len(rows)), rows] - probabilities[-1, rows]


def print_areas(title: str, changes: Mapping[str, Array]) -> None:
    """AUC-DEL of both signs with their intervals."""
    lines = []
    for name, found in changes.items():
        cells = []
        for sign in (0, 1):
            area = found[sign].mean(axis=0)
            low, high = interval(area)
            cells += [f"{area.mean():+.3f}", f"[{low:+.3f}, {high:+.3f}]"]
        lines.append([name, *cells])
    print_table(title, ["", "AUC-DEL+", "95 %", "AUC-DEL-", "95 %"], lines)


def print_sizes(title: str, changes: Mapping[str, Array], sizes: Sequence[int]) -> None:
    """Mean change by the number of rows removed."""
    header = ["", *(f"{sign} {size}" for sign in SIGNS for size in sizes)]
    print_table(title, header, [[name, *(f"{one:+.2f}" for one in found.mean(axis=(2, 3)).ravel())]
                                for name, found in changes.items()])  # fmt: skip


def interval(values: Array) -> tuple[float, float]:
    """95 % of the means when test rows and seeds are drawn again, from (test rows, seeds)."""
    generator = np.random.default_rng(0)
    rows, seeds = (generator.integers(0, count, (DRAWS, count)) for count in values.shape)
    means = values[rows[:, :, None], seeds[:, None, :]].mean(axis=(1, 2))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder with the data; without it nothing is measured")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--intents", default="transfer", help="of Banking77 those whose name holds this")
    parser.add_argument("--most", type=int, help="training rows at most; all of them if not given")
    parser.add_argument("--rows", type=int, default=20, help="test rows")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 25, 50, 100], help="rows removed")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--jobs", type=int, default=joblib.cpu_count(), help="processes")
    parser.add_argument("--quick", action="store_true", help="ten test rows, two seeds, two sizes")
    options = parser.parse_args(words)
    if options.quick:
        options.rows, options.seeds, options.sizes = 10, 2, [10, 50]
    return options


if __name__ == "__main__":
    main()
