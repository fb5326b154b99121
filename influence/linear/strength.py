"""The L2 penalty, chosen on a grid by the exact leave-one-out loss: no folds, no refits of held-out parts.

Where the exact curvature does not fit while searching, a fifth of the rows held out judges in its place.

What is searched is rows * l2, the penalty against the summed loss: that is what stays put when rows are added. Large
data is searched on every k-th row. The search goes from the strong end to the weak, as regularisation paths do, each
fit starting at its neighbour's weights, until the loss has risen twice; then it looks at both sides of the best. It
never comes to the far weak end, where a model that interpolates its labels has no leave-one-out worth the name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.folds import assign_folds
from culpa.influence.linear.choose import curvature_form
from culpa.influence.rows import Rows

__all__ = ["Strength", "choose_strength"]

SEARCH_ROWS = 5_000
SEARCH_MEMORY = 2.0**27  # bytes for a curvature while searching
STEPS_PER_TENFOLD = 2  # of the grid of rows * l2, where step 0 is 1
STRONGEST, WEAKEST = 8, -8  # steps
SLACK = 10.0  # of the fits' tolerance
HELD_OUT = 5  # one fold of so many
RISES = 2  # after which the walk ends


Weights = NDArray[np.float64]  # (outputs, features + 1)
Fit = Callable[..., Any]  # `fit_linear`


@dataclass(frozen=True)
class Strength:
    """The chosen l2 and what each l2 tried gave: (l2, mean leave-one-out loss)."""

    l2: float
    tried: list[tuple[float, float]]


def choose_strength(rows: Rows, keep: NDArray[np.bool_], fit: Fit) -> Strength:
    """The l2 whose loss on kept rows, each out of sample, is least. `fit` is `fit_linear`."""
    index = np.flatnonzero(keep)
    sample = rows.take(index[:: max(1, len(index) // SEARCH_ROWS)])
    judge = partial(_left_out if _is_exact(sample) else _held_out, sample, fit)
    losses: dict[int, float] = {}
    weights: Weights | None = None

    def loss_at(step: int) -> float:
        nonlocal weights
        if step not in losses:
            l2 = 10.0 ** (step / STEPS_PER_TENFOLD) / len(sample)
            try:
                weights, losses[step] = judge(l2, weights)
            except ValueError:  # rows that are told apart without doubt: in rounding, the Hessian is no longer positive
                losses[step] = np.inf
        return losses[step]

    best = _first_valley(loss_at)
    tried = [(10.0 ** (step / STEPS_PER_TENFOLD) / len(index), losses[step]) for step in sorted(losses)]
    return Strength(10.0 ** (best / STEPS_PER_TENFOLD) / len(index), tried)


def _first_valley(loss_at: Callable[[int], float]) -> int:
    """The step of least loss in the first valley from the strong end, by tenfolds and then by the steps beside it."""
    best, rises = STRONGEST, 0
    for step in range(STRONGEST - STEPS_PER_TENFOLD, WEAKEST - 1, -STEPS_PER_TENFOLD):
        if loss_at(step) < loss_at(best):
            best, rises = step, 0
        elif (rises := rises + 1) == RISES:
            break
    beside = [step for step in (best - 1, best, best + 1) if WEAKEST <= step <= STRONGEST]
    return min(beside, key=loss_at)


def _is_exact(rows: Rows) -> bool:
    return curvature_form(max(rows.classes, 1), rows.features.shape[1] + 1, SEARCH_MEMORY) == "exact"


def _left_out(rows: Rows, fit: Fit, l2: float, start: Weights | None) -> tuple[Weights, float]:
    """Weights at this strength, and their leave-one-out loss."""
    fitted = fit(rows, l2=l2, memory=SEARCH_MEMORY, start=start)
    return fitted.weights, _loss(fitted.scores().without, rows)


def _held_out(rows: Rows, fit: Fit, l2: float, start: Weights | None) -> tuple[Weights, float]:
    """Weights of four folds at the strength that gives all rows this l2, and their loss on the fifth."""
    apart = assign_folds(rows, HELD_OUT) == 0
    others = rows.take(~apart)
    fitted = fit(others, l2=l2 * len(rows) / len(others), memory=0.0, start=start, slack=SLACK)
    judged = rows.take(apart)
    return fitted.weights, _loss(fitted.predict(judged), judged)


def _loss(without: NDArray[Any], rows: Rows) -> float:
    """Mean log-loss, or mean squared error, of predictions that never saw their row."""
    if not rows.classes:
        return float(np.mean((without[:, 0] - rows.labels) ** 2))
    return float(-np.log(without[np.arange(len(rows)), rows.labels]).mean())
