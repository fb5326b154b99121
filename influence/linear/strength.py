"""The L2 penalty, chosen by the exact leave-one-out loss on a grid: no folds, no refits of held-out parts.

What is searched is rows * l2, the penalty against the summed loss: that is what stays put when rows are added. Large
data is searched on every k-th row. The loss has one valley along the grid, so the search walks downhill from the
middle, each fit starting at its neighbour's weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.rows import Rows

__all__ = ["Strength", "choose_strength"]

SEARCH_ROWS = 5_000
SEARCH_MEMORY = 2.0**26  # bytes for a curvature while searching
STEPS_PER_TENFOLD = 2  # of the grid of rows * l2, which starts at 1
MOST_STEPS = 8  # in one direction


@dataclass(frozen=True)
class Strength:
    """The chosen l2 and what each l2 tried gave: (l2, mean leave-one-out loss)."""

    l2: float
    tried: list[tuple[float, float]]


def choose_strength(rows: Rows, keep: NDArray[np.bool_], fit: Callable[..., Any]) -> Strength:
    """The l2 whose leave-one-out loss on the kept rows is least. `fit` is `fit_linear`."""
    index = np.flatnonzero(keep)
    sample = rows.take(index[:: max(1, len(index) // SEARCH_ROWS)])
    losses: dict[int, float] = {}
    weights: NDArray[np.float64] | None = None

    def loss_at(step: int) -> float:
        nonlocal weights
        if step not in losses:
            l2 = 10.0 ** (step / STEPS_PER_TENFOLD) / len(sample)
            fitted = fit(sample, l2=l2, memory=SEARCH_MEMORY, start=weights)
            weights, losses[step] = fitted.weights, _loss(fitted.scores().without, sample)
        return losses[step]

    best = _walk_downhill(loss_at)
    tried = [(10.0 ** (step / STEPS_PER_TENFOLD) / len(index), losses[step]) for step in sorted(losses)]
    return Strength(10.0 ** (best / STEPS_PER_TENFOLD) / len(index), tried)


def _walk_downhill(loss_at: Callable[[int], float]) -> int:
    """The step of least loss, going from 0 in the direction that pays until it no longer does."""
    best = 0
    for direction in (-1, 1):
        while abs(best) < MOST_STEPS and loss_at(best + direction) < loss_at(best):
            best += direction
        if best:
            break
    return best


def _loss(without: NDArray[Any], rows: Rows) -> float:
    """Mean log-loss, or mean squared error, of predictions that never saw their row."""
    if not rows.classes:
        return float(np.mean((without[:, 0] - rows.labels) ** 2))
    return float(-np.log(without[np.arange(len(rows)), rows.labels]).mean())
