"""Effects of rows told by models trained on random subsets of the rows: the truth about any way of training, by chance.

effect_i = mean outcome of the models trained with row i - mean outcome of those trained without it, for any outcome
that a better model raises. Of the row's own P(own label) it is the row's memorization, of a reference row's outcome the
row's influence on it: positive helps. Source: Feldman & Zhang 2020, eq. 1 and 2.
The effect is that in a training of so many rows as a subset has. Other rows that come and go are its noise, so that it
takes hundreds of models where single rows do little; the standard error tells.

>>> masks = np.array([[True, True, False], [True, False, True], [False, True, True], [False, False, True]])
>>> found = effects(masks, np.array([[3.0], [2.0], [1.0], [0.0]]))
>>> found.values[:, 0].tolist()
[2.0, 1.0, -2.0]
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHARE", "Effects", "Masks", "draw_subsets", "effects", "own_effects"]

Array = NDArray[np.float64]
Masks = NDArray[np.bool_]  # (models, rows) who is trained on what

SHARE = 0.7  # of the rows in a subset: Feldman & Zhang 2020


@dataclass(frozen=True)
class Effects:
    """Effects of being trained on, and how far chance may move them."""

    values: Array  # (rows, columns) or (rows,), positive helps
    standard_errors: Array  # the same shape; NaN where a row is in, or out, only once


def draw_subsets(rows: int, models: int, *, seed: int, share: float = SHARE) -> Masks:
    """Masks of random subsets, (models, rows): every row is in `share` of the models, drawn for itself.

    So that whether one row is in says nothing of the others, which are its noise: subsets of one size, dealt out of a
    shuffled order, would make the errors larger than they look. Errors: ValueError for a share that leaves a row in all
    models or in none.
    """
    inside = round(share * models)
    if not 0 < inside < models:
        raise ValueError(
            f"{models} models on the share {share} of the rows have each row in {inside} of them: needed one with it "
            f"and one without at least; train more, the usual share is {SHARE}"
        )
    ordered = np.repeat((np.arange(models) < inside)[:, None], rows, axis=1)
    return np.random.default_rng(seed).permuted(ordered, axis=0)


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
