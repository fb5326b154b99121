"""Wrong labels of our own making, in rows that look right: half drawn evenly, half as the proxies would confuse them.

Even ones get any other class, and are easy to find. Confused ones are drawn in proportion to the out-of-sample
probability of the other classes, row and class: hard rows more often, and to the class they resemble, as people err.
Real errors lie between the two. Numbers: an even one becomes another row's target, a confused one is moved by ten
times the residual of a row drawn at random, the law of wrong targets that `suspicion.regression` supposes.
At most one row of a duplicate group is planted in, and none that is probably wrong already: changing it could mend it.
Source: Northcutt et al. 2021 and Pleiss et al. 2020 (threshold samples) plant so; rows in proportion are ours.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.rows import Rows
from culpa.influence.suspicion.regression import OUTLIER_SCALE

__all__ = ["Planting", "plant"]

PROBABLY_WRONG = 0.5
LEAST_PLANTED = 2  # of each kind

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Planting:
    """Rows some of whose labels were made wrong."""

    rows: Rows
    place: NDArray[np.int64]  # (planted,) positions
    confused: NDArray[np.bool_]  # (planted,) drawn by the proxies' confusion; the others evenly


def plant(rows: Rows, expected: Array, probability_wrong: Array, *, share: float, seed: int) -> Planting:
    """Make a `share` of the labels wrong.

    `expected` are calibrated out-of-sample outcomes, (rows, classes) probabilities or (rows, 1) predictions.
    """
    chance = np.random.default_rng(seed)
    free = _one_of_each_group(rows, chance.permutation(np.flatnonzero(probability_wrong < PROBABLY_WRONG)))
    count = min(max(round(share * len(rows) / 2), LEAST_PLANTED), len(free) // 2)
    even, rest = free[:count], free[count:]
    weights = _chance_of_error(rows, expected)[rest]
    confused = chance.choice(rest, count, replace=False, p=weights / weights.sum())
    labels = rows.labels.copy()
    labels[even] = _any_other(rows, even, chance)
    labels[confused] = _confused_with(rows, expected, confused, chance)
    place = np.concatenate([even, confused]).astype(np.int64)
    return Planting(replace(rows, labels=labels), place, np.arange(len(place)) >= count)


def _one_of_each_group(rows: Rows, order: NDArray[np.intp]) -> NDArray[np.intp]:
    """The first of each duplicate group in this order."""
    first = np.unique(rows.groups[order], return_index=True)[1]
    return order[np.sort(first)]


def _others(rows: Rows, expected: Array) -> Array:
    """Probabilities of the classes other than the given one, (rows, classes), never all nought."""
    others = expected.clip(1e-9)
    others[np.arange(len(rows)), rows.labels] = 0.0
    return others


def _chance_of_error(rows: Rows, expected: Array) -> Array:
    """How likely the proxies think each row to be confused, (rows,); numbers: all alike."""
    return _others(rows, expected).sum(axis=1) if rows.classes else np.ones(len(rows))


def _any_other(rows: Rows, place: NDArray[np.intp], chance: np.random.Generator) -> NDArray[Any]:
    if rows.classes:
        return np.asarray((rows.labels[place] + chance.integers(1, rows.classes, len(place))) % rows.classes)
    return np.asarray(rows.labels[chance.integers(0, len(rows), len(place))])


def _confused_with(rows: Rows, expected: Array, place: NDArray[np.intp], chance: np.random.Generator) -> NDArray[Any]:
    if not rows.classes:
        residuals = rows.labels - expected[:, 0]
        return np.asarray(rows.labels[place] + OUTLIER_SCALE * residuals[chance.integers(0, len(rows), len(place))])
    reached = np.cumsum(_others(rows.take(place), expected[place]), axis=1)
    return np.asarray((reached < chance.random(len(place))[:, None] * reached[:, -1:]).sum(axis=1))
