"""Does influence say what retraining says? Digits, 200 rows taken out one by one, beside four other libraries.

One softmax regression at its optimum, l2 times rows = 1. Columns are Spearman correlations over the removed rows with
the exact refits: with the effect on the mean test loss, and with that on each test row, averaged over the test rows.
Everybody gets the same float32 module, rows and damping, the true l2; those who have another default show it in a
second line. The linear proxy leaves its intercept nearly free, so it is held against refits of its own model.

    python -m tests.benchmarks.peers.faithfulness [--seeds 3] [--removed 200]
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from culpa.influence.attribution.datamodels import rank_correlations
from culpa.influence.linear import fit_linear
from culpa.influence.linear.problem import penalties
from culpa.influence.network import Training
from culpa.influence.rows import Rows
from tests.benchmarks.cases import Array
from tests.benchmarks.machine import clean_environment
from tests.benchmarks.peers import culpa_side, digits, pydvl_side
from tests.benchmarks.peers.explained import Method, installed
from tests.benchmarks.tables import print_table

__all__ = ["main"]

CULPA = ("exact", "dense", "conjugate", "ekfac", "kfac", "unitwise", "logra", "datainf", "diagonal", "dot")
Found = tuple[str, Array, float]  # title, (removed rows, test rows), seconds


def main(words: Sequence[str] | None = None) -> None:
    """Measure everybody over the seeds and print the table."""
    options = read(words)
    figures: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(options.seeds):
        for title, *found in measure(seed, options):
            figures.setdefault(title, []).append((found[0], found[1], found[2]))
            print(f"seed {seed} {title}: {found[0]:.4f} {found[1]:.4f}", file=sys.stderr, flush=True)
    lines = [
        [title, *(f"{value:.3f}" for value in np.mean(found, axis=0)), " ".join(f"{one[0]:.3f}" for one in found)]
        for title, found in figures.items()
    ]
    header = ["", "mean test loss", "each test row", "seconds", "mean test loss by seed"]
    title = f"digits, {options.removed} removals, exact refits: Spearman, mean of {options.seeds} splits"
    print_table(title, header, lines)


def measure(seed: int, options: argparse.Namespace) -> Iterator[tuple[str, float, float, float]]:
    """Title, both correlations and seconds of every method."""
    rows, test = digits.rows(seed, options.most)
    l2 = 1 / len(rows[1])
    gone = np.random.default_rng(1).choice(len(rows[1]), options.removed, replace=False)
    regression = digits.fit(*rows, np.full(rows[0].shape[1] + 1, l2))
    truth = digits.removals(regression, gone, test)
    for title, found, seconds in everybody(digits.training_of(regression), test, l2, gone):
        yield title, *judged(found, truth), seconds
    own = digits.fit(*rows, penalties(rows[0].shape[1], l2))
    own_truth = digits.removals(own, gone, test)
    for title, effect, found, seconds in linear_proxy(rows, test, l2, gone):
        yield title, on_mean(effect, own_truth), judged(found, own_truth)[1], seconds


def judged(found: Array, truth: Array) -> tuple[float, float]:
    """Correlation of the effects on the mean test loss, and mean of those on each test row."""
    return on_mean(found.mean(1), truth), float(rank_correlations(found, truth).mean())


def on_mean(effect: Array, truth: Array) -> float:
    """Correlation of effects on the mean test loss, (removed rows,), with the truth (removed rows, test rows)."""
    return float(rank_correlations(effect[:, None], truth.mean(1)[:, None])[0])


def everybody(training: Training, test: tuple[Array, Array], l2: float, gone: Array) -> Iterator[Found]:
    """Influences of the removed rows on the test rows, by everybody that is installed."""
    reference = digits.tensors(*test)
    for method in all_methods():
        for damping in (l2, None) if method.damped else (None,):
            start = time.perf_counter()
            found = method.explain(training, reference, damping)
            title = method.title if not method.damped else f"{method.title}, damping {'l2' if damping else 'default'}"
            yield title, np.asarray(found, np.float64)[gone], time.perf_counter() - start
    if pydvl_side.PYTHON.exists():
        asked = pydvl_side.ask(training.module[0], training.data, reference, l2, clean_environment())  # type: ignore[index]
        for title, (found, seconds) in asked.items():
            yield f"{title}, damping l2", found[gone].astype(np.float64), seconds


def all_methods() -> list[Method]:
    """culpa's, and those of the libraries that are there."""
    found = culpa_side.methods(*CULPA)
    if installed("kronfluence"):
        from tests.benchmarks.peers import kronfluence_side

        found.extend(kronfluence_side.METHODS)
    if installed("dattri"):
        from tests.benchmarks.peers import dattri_side

        found.extend(dattri_side.METHODS)
    if installed("captum"):
        from tests.benchmarks.peers import captum_side

        found.extend(captum_side.METHODS)
    return found


def linear_proxy(rows: Any, test: Any, l2: float, gone: Array) -> Iterator[tuple[str, Array, Array, float]]:
    """The proxy of the main job: effect of removal on the mean test loss, influence on each test row."""
    start = time.perf_counter()
    given, reference = (Rows(pixels, labels, digits.CLASSES, np.arange(len(labels))) for pixels, labels in (rows, test))
    fitted = fit_linear(given, l2=l2)
    on_reference, between = fitted.influence_on(reference), fitted.influence_between(gone, reference)
    seconds = time.perf_counter() - start
    yield "culpa linear proxy, influence", on_reference.mean[gone], between, seconds
    yield "culpa linear proxy, removal to second order", on_reference.removal[gone], between, seconds


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="splits of the digits")
    parser.add_argument("--removed", type=int, default=200)
    parser.add_argument("--most", type=int, help="rows of either kind, for a quick try")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
