"""Effects of rows told by models trained on random subsets of the rows: the truth about any way of training, by chance.

effect_i = mean outcome of the models trained with row i - mean outcome of those trained without it, for any outcome
that a better model raises. Of the row's own P(own label) it is the row's memorization, of a reference row's outcome the
row's influence on it: positive helps. Source: Feldman & Zhang 2020, eq. 1 and 2.
The effect is that in a training of so many rows as a subset has, and other rows that come and go are its noise, so that
it needs hundreds of models where single rows do little; the standard error tells.

>>> masks = np.array([[True, True, False], [True, False, True], [False, True, True], [False, False, True]])
>>> found = effects(masks, np.array([[3.0], [2.0], [1.0], [0.0]]))
>>> found.values[:, 0].tolist()
[2.0, 1.0, -2.0]
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "SHARE",
    "Effects",
    "Learn",
    "Predict",
    "draw_subsets",
    "effects",
    "estimator_learner",
    "own_effects",
    "own_outcomes",
    "trained_on",
]

Array = NDArray[np.float64]
Masks = NDArray[np.bool_]  # (models, rows) who is trained on what

SHARE = 0.7  # of the rows in each subset: Feldman & Zhang 2020

Predict = Callable[[Any], NDArray[Any]]  # features -> P(class), (rows, classes), or predicted numbers, (rows,)


class Learn(Protocol):
    """Any way to train."""

    def __call__(self, rows: NDArray[np.bool_], seed: int) -> Predict:
        """Learn from the rows under the mask alone, (rows,), and give what predicts."""


@dataclass(frozen=True)
class Effects:
    """Effects of being trained on, and how far chance may move them."""

    values: Array  # (rows, columns) or (rows,), positive helps
    standard_errors: Array  # the same shape; NaN where a row is in, or out, only once


def draw_subsets(rows: int, models: int, *, seed: int, share: float = SHARE) -> Masks:
    """Masks of random subsets of one size, (models, rows); every row is left out as often as any other, give or take 1.

    Rows are dealt from one shuffled order after another, so that few models leave every row out. Errors: ValueError for
    a share that leaves nobody out or nobody in.
    """
    out = rows - round(share * rows)
    if not 0 < out < rows:
        raise ValueError(
            f"subsets of the share {share} of {rows} rows leave {out} rows out: needed one in and one out at least; "
            f"the usual share is {SHARE}"
        )
    chance = np.random.default_rng(seed)
    masks, waiting = np.ones((models, rows), np.bool_), chance.permutation(rows)
    for mask in masks:
        if len(waiting) < out:
            fresh = chance.permutation(np.setdiff1d(np.arange(rows), waiting))
            waiting = np.concatenate([waiting, fresh, chance.permutation(waiting)])
        mask[waiting[:out]] = False
        waiting = waiting[out:]
    return masks


def effects(masks: Masks, outcomes: Array) -> Effects:
    """Effect of every row on every outcome: `outcomes` (models, columns) to (rows, columns).

    Errors: ValueError for a row that no model was trained with, or none without.
    """
    centred = outcomes - outcomes.mean(axis=0)  # or rounding would show in the squares
    inside = masks.T.astype(np.float64)
    return _difference(masks, inside @ centred, inside @ centred**2, centred.sum(axis=0), (centred**2).sum(axis=0))


def own_effects(masks: Masks, outcomes: Array) -> Effects:
    """Effect of every row on its own outcome: `outcomes` (models, rows) to (rows,)."""
    centred = outcomes - outcomes.mean(axis=0)
    sums, squares = (masks * centred).sum(axis=0), (masks * centred**2).sum(axis=0)
    return _difference(masks, sums, squares, centred.sum(axis=0), (centred**2).sum(axis=0))


def _difference(masks: Masks, sums: Array, squares: Array, all_sums: Array, all_squares: Array) -> Effects:
    """From sums and sums of squares of the outcomes with each row, and of all outcomes."""
    counts = masks.sum(axis=0, dtype=np.int64).reshape(-1, *[1] * (sums.ndim - 1))
    others = len(masks) - counts
    if not (counts.all() and others.all()):
        row = int(np.flatnonzero((counts == 0) | (others == 0))[0])
        raise ValueError(
            f"row {row} is in {int(counts.ravel()[row])} of {len(masks)} subsets, needed some with it and some without "
            "it: train more models"
        )
    within, variance = _moments(sums, squares, counts)
    without, variance_without = _moments(all_sums - sums, all_squares - squares, others)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Effects(within - without, np.sqrt(variance / counts + variance_without / others))


def _moments(sums: Array, squares: Array, counts: NDArray[np.int64]) -> tuple[Array, Array]:
    """Mean, and variance of the single outcomes, NaN of one alone."""
    mean = sums / counts
    with np.errstate(divide="ignore", invalid="ignore"):
        return mean, np.where(counts > 1, (squares / counts - mean**2).clip(0) * counts / (counts - 1), np.nan)


def own_outcomes(predicted: NDArray[Any], labels: NDArray[Any]) -> Array:
    """What a better model raises, (rows,): P(own label), or for predicted numbers minus half the squared error."""
    if predicted.ndim == 2:
        return np.asarray(predicted[np.arange(len(labels)), labels], np.float64)
    return np.asarray(-((predicted - labels) ** 2) / 2, np.float64)


def trained_on(learn: Learn, masks: Masks, *, seed: int) -> list[Predict]:
    """One model for each subset, each from a seed of its own."""
    return [learn(mask, seed + place) for place, mask in enumerate(masks)]


def estimator_learner(estimator: Any, features: NDArray[Any], labels: NDArray[Any], classes: int) -> Learn:
    """A scikit-learn estimator as a way to train; labels are codes below `classes`, or numbers where that is 0.

    Classes that a subset lacks have the probability 0 there.
    """
    from sklearn.base import clone

    def learn(rows: NDArray[np.bool_], seed: int) -> Predict:
        fresh = clone(estimator)
        if "random_state" in fresh.get_params():
            fresh.set_params(random_state=seed)
        fresh.fit(features[rows], labels[rows])

        def predict(others: Any) -> NDArray[Any]:
            if not classes:
                return np.asarray(fresh.predict(others))
            found = np.zeros((len(others), classes))
            found[:, fresh.classes_] = fresh.predict_proba(others)
            return found

        return predict

    return learn
