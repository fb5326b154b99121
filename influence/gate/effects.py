"""How much better one side is than another, row by row and seed by seed, and within which limits.

    effect = loss of the second side - loss of the first     (for accuracies the other way round: positive = better)

The interval is that of the bootstrap: reference rows and seeds are drawn again, both, and both sides are seen through
the same draw, so that what makes a row hard cancels. Source: Efron & Tibshirani 1993, chapter 13, on pairs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Effect", "Sides", "compare", "losses"]

DRAWS = 1_000
LEAST = 1e-12
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """One metric of two sides."""

    metric: str
    first: float
    second: float
    effect: float  # positive: the first is better
    low: float  # of the 95 % interval
    high: float


@dataclass(frozen=True)
class Sides:
    """What two sides say of the same reference rows."""

    first: Array  # (seeds, rows, outputs)
    second: Array
    labels: NDArray[Any]  # (rows,)
    classes: int  # 0 = regression

    def on(self, mask: NDArray[np.bool_]) -> "Sides":
        """The same on some of the rows."""
        return Sides(self.first[:, mask], self.second[:, mask], self.labels[mask], self.classes)


def losses(outcomes: Array, labels: NDArray[Any], classes: int) -> Array:
    """Loss of each row: (..., rows, outputs) -> (..., rows), nats; regression: squared error / 2."""
    if not classes:
        return np.asarray((outcomes[..., 0] - labels) ** 2 / 2)
    own = np.take_along_axis(outcomes, labels.astype(np.int64).reshape((1,) * (outcomes.ndim - 2) + (-1, 1)), -1)
    return np.asarray(-np.log(own[..., 0].clip(LEAST)))


def compare(sides: Sides, *, seed: int) -> list[Effect]:
    """Every metric of the task: log_loss, accuracy, macro_f1; regression: rmse, mae."""
    rows, seeds = _draws(len(sides.labels), len(sides.first), seed)
    return [_effect(name, metric, sides, rows, seeds) for name, metric in _metrics(sides.classes).items()]


Metric = Callable[[Array, NDArray[Any], int, Array], Array]  # outcomes, labels, classes, weights -> (draws,)


def _metrics(classes: int) -> dict[str, Metric]:
    if classes:
        return {"log_loss": _log_loss, "accuracy": _accuracy, "macro_f1": _macro_f1}
    return {"rmse": _rmse, "mae": _mae}


FALLS = ("log_loss", "rmse", "mae")  # less is better


def _effect(name: str, metric: Metric, sides: Sides, rows: Array, seeds: Array) -> Effect:
    sign = -1.0 if name in FALLS else 1.0
    first, second = (
        _over_seeds(metric, one, sides.labels, sides.classes, rows, seeds) for one in (sides.first, sides.second)
    )
    low, high = np.quantile(sign * (first[1:] - second[1:]), (0.025, 0.975))
    return Effect(name, first[0], second[0], sign * (first[0] - second[0]), float(low), float(high))


def _over_seeds(
    metric: Metric, outcomes: Array, labels: NDArray[Any], classes: int, rows: Array, seeds: Array
) -> Array:
    """The metric as it is, and then in each draw: the mean over the draw's seeds, (1 + draws,)."""
    each = np.stack([metric(one, labels, classes, rows) for one in outcomes])
    return np.asarray(np.einsum("sd,sd->d", seeds.T, each))


def _draws(rows: int, seeds: int, seed: int) -> tuple[Array, Array]:
    """Weights of rows (1 + draws, rows) and seeds (1 + draws, seeds), each draw summing to 1; the first is even.

    Few seeds drawn again vary too little, by (seeds - 1) / seeds of their variance: they are stretched by as much.
    """
    generator = np.random.default_rng(seed)
    drawn = [
        np.vstack([np.full(count, 1.0), generator.multinomial(count, np.full(count, 1 / count), DRAWS)]) / count
        for count in (rows, seeds)
    ]
    stretched = 1 / seeds + (drawn[1] - 1 / seeds) * np.sqrt(seeds / max(seeds - 1, 1))
    return drawn[0], stretched


def _log_loss(outcomes: Array, labels: NDArray[Any], classes: int, weights: Array) -> Array:
    return np.asarray(weights @ losses(outcomes, labels, classes))


def _accuracy(outcomes: Array, labels: NDArray[Any], classes: int, weights: Array) -> Array:
    return np.asarray(weights @ (outcomes.argmax(axis=1) == labels).astype(np.float64))


def _macro_f1(outcomes: Array, labels: NDArray[Any], classes: int, weights: Array) -> Array:
    """Mean F1 over the classes that occur among the labels or the answers of a draw."""
    given, said = np.eye(classes)[labels.astype(np.int64)], np.eye(classes)[outcomes.argmax(axis=1)]
    hits, all_given, all_said = weights @ (given * said), weights @ given, weights @ said
    there = all_given + all_said > 0
    return np.asarray((2 * hits / np.where(there, all_given + all_said, 1)).sum(axis=1) / there.sum(axis=1))


def _rmse(outcomes: Array, labels: NDArray[Any], classes: int, weights: Array) -> Array:
    return np.asarray(np.sqrt(2 * (weights @ losses(outcomes, labels, 0))))


def _mae(outcomes: Array, labels: NDArray[Any], classes: int, weights: Array) -> Array:
    return np.asarray(weights @ np.abs(outcomes[:, 0] - labels))
