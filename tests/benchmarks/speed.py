"""How fast, and in how much memory? Three ratios, each measured in one fresh process, the two sides in turn.

exact    All exact linear scores (curvature, scores of every row, influence on 1,000 reference rows; the weights are
         there) against one float32 matrix product of the same flops. Two counts of the same work, n rows, w = features
         + 1, C classes, P = C (C + 1) / 2 blocks:
         packed   D = w (w + 1) / 2 products a row: Hessian, its turn along the mean reference gradient, and the forms
                  of H^-1, of the reference spread and of a removal's second order are 2 n D P each; logits and
                  influence along mean, own probability and every class 2 n w C (3 + C)
         plain    Hessian and its turn n (w C)^2 each, the three forms 2 n w^2 P each
cleanlab Fit with a given penalty, then all scores, against cleanlab's margin scores of the same model over five folds.
memory   Peak over what the data takes, of fit and all scores.

    python -m tests.benchmarks.speed [--rows 100000] [--many 1000000] [--pairs 5]
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from culpa.influence.linear import FittedLinear, fit_linear
from culpa.influence.linear.choose import fit_curvature
from culpa.influence.linear.proxy import MEMORY
from culpa.influence.rows import Rows
from tests.benchmarks.linear_data import make_rows
from tests.benchmarks.machine import MEGABYTE, forget_peak, memory, run_module
from tests.benchmarks.tables import print_table

FEATURES, CLASSES, REFERENCE = 50, 10, 1_000


def main(words: Sequence[str] | None = None) -> None:
    """Measure each part in a process of its own and print the ratios; inside that process, print its figures."""
    options = read(words)
    if options.inside:
        print(json.dumps(PARTS[options.inside](options)))
        return
    shared = ["--rows", str(options.rows), "--many", str(options.many), "--pairs", str(options.pairs)]
    found = {part: run_module("tests.benchmarks.speed", "--inside", part, *shared) for part in PARTS}
    print_table(
        f"softmax regression, {FEATURES} features, {CLASSES} classes: medians of {options.pairs} pairs",
        ["", "rows", "culpa", "other", "ratio", "wanted"],
        [*exact_lines(options.rows, found["exact"]), cleanlab_line(options.rows, found["cleanlab"])],
    )
    print_table("memory over the data", ["", "rows", "culpa", "wanted"], memory_lines(options.many, found["memory"]))


def exact_lines(rows: int, found: dict[str, Any]) -> list[list[str]]:
    """Seconds beside those of a matrix product, by both counts."""
    ours = found["scores"]
    return [
        [
            f"exact scores / product of {found[f'{count}_flops'] / 1e9:.0f} Gflop ({count} count)",
            f"{rows:,}",
            f"{ours:.3f} s",
            f"{found[count]:.3f} s",
            f"{ours / found[count]:.2f}",
            "<= 2.5",
        ]
        for count in ("packed", "plain")
    ]


def cleanlab_line(rows: int, found: dict[str, Any]) -> list[str]:
    """Seconds beside those of five folds."""
    ours, theirs = found["culpa"], found["cleanlab"]
    name = "cleanlab, 5 folds / fit and all scores"
    return [name, f"{rows:,}", f"{ours:.3f} s", f"{theirs:.3f} s", f"{theirs / ours:.2f}", ">= 3"]


def memory_lines(rows: int, found: dict[str, Any]) -> list[list[str]]:
    """Megabytes and seconds of the large run."""
    return [
        ["peak over the data", f"{rows:,}", f"{found['peak'] / MEGABYTE:.0f} MB", "<= 500 MB"],
        ["  of which the scores themselves", "", f"{found['scores'] / MEGABYTE:.0f} MB", ""],
        ["fit", f"{rows:,}", f"{found['fit']:.1f} s", ""],
        ["all scores", f"{rows:,}", f"{found['score']:.1f} s", ""],
    ]


def measure_exact(options: argparse.Namespace) -> dict[str, Any]:
    """All exact scores and the two matrix products, in turn."""
    rows, reference = data(options.rows)
    fitted = fit_linear(rows, l2=1 / len(rows))
    flops = {"packed": packed_flops(len(rows)), "plain": plain_flops(len(rows))}
    sides = {name: product_of(count) for name, count in flops.items()}
    medians = in_turn({"scores": lambda: score_exactly(fitted, reference), **sides}, options.pairs)
    return {**medians, **{f"{name}_flops": count for name, count in flops.items()}}


def measure_cleanlab(options: argparse.Namespace) -> dict[str, Any]:
    """Fit and all scores, and cleanlab's five folds of the same model, in turn."""
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    rows, reference = data(options.rows)
    l2 = 1 / len(rows)
    same = LogisticRegression(C=1 / (l2 * len(rows)), max_iter=1_000)  # its C weighs the sum of the losses

    def theirs() -> None:
        found = cross_val_predict(same, rows.features, rows.labels, cv=5, method="predict_proba")
        get_label_quality_scores(rows.labels, found, method="normalized_margin")

    return in_turn({"culpa": lambda: score(fit_linear(rows, l2=l2), reference), "cleanlab": theirs}, options.pairs)


def measure_memory(options: argparse.Namespace) -> dict[str, Any]:
    """Peak over the data of one fit and all scores, bytes, and their seconds."""
    rows, reference = data(options.many)
    score(fit_linear(reference, l2=1e-3), reference)  # what libraries load on first use is not counted
    forget_peak()
    before, start = memory("VmRSS"), time.perf_counter()
    fitted = fit_linear(rows, l2=1 / len(rows))
    middle = time.perf_counter()
    results = score(fitted, reference)
    end = time.perf_counter()
    size = sum(array.nbytes for result in results for array in vars(result).values())
    return {"peak": memory("VmHWM") - before, "scores": size, "fit": middle - start, "score": end - middle}


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "exact": measure_exact,
    "cleanlab": measure_cleanlab,
    "memory": measure_memory,
}


def data(rows: int) -> tuple[Rows, Rows]:
    """Rows to score and reference rows of the same kind."""
    made = make_rows(rows + REFERENCE, FEATURES, CLASSES, seed=0)
    return made.take(slice(0, rows)), made.take(slice(rows, None))  # type: ignore[arg-type]


def score_exactly(fitted: FittedLinear, reference: Rows) -> None:
    """Curvature and all columns, from the weights on."""
    score(replace(fitted, curvature=fit_curvature(fitted.rows, fitted.weights, MEMORY)), reference)


def score(fitted: FittedLinear, reference: Rows) -> tuple[Any, Any]:
    """All columns: with and without each row, and its influence on the reference rows."""
    return fitted.scores(), fitted.influence_on(reference)


def packed_flops(rows: int) -> float:
    """Flops of the matrix products of the exact scores, each row's features multiplied with each other once."""
    width, blocks = FEATURES + 1, CLASSES * (CLASSES + 1) // 2
    return 2.0 * rows * (5 * (width * (width + 1) // 2) * blocks + width * CLASSES * (3 + CLASSES))


def plain_flops(rows: int) -> float:
    """Flops of the same as it is written down: two symmetric products, and a product by every block for each form."""
    width, blocks = FEATURES + 1, CLASSES * (CLASSES + 1) // 2
    return 2.0 * rows * (width * CLASSES) ** 2 + 3 * 2.0 * rows * width**2 * blocks


def product_of(flops: float) -> Callable[[], object]:
    """A float32 product of two square matrices of so many flops."""
    side = round((flops / 2) ** (1 / 3))
    left, right = np.random.default_rng(0).random((2, side, side), dtype=np.float32)
    return lambda: left @ right


def in_turn(sides: dict[str, Callable[[], object]], pairs: int) -> dict[str, float]:
    """Median seconds of each side; one round to warm up, then all sides in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(pairs + 1):
        for name, work in sides.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(found[1:])) for name, found in seconds.items()}


def read(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--many", type=int, default=1_000_000, help="rows of the memory measurement")
    parser.add_argument("--pairs", type=int, default=5, help="how often the two sides take turns")
    parser.add_argument("--inside", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
