"""Which neighbours contradict a row: the rows that outvote it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from culpa.influence.neighbors.search import kernel
from culpa.influence.rows import Rows

__all__ = ["contradicting"]


def contradicting(
    rows: Rows, keep: NDArray[np.bool_], index: NDArray[Any], *, k: int, most: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Of each row's k nearest other kept rows (duplicates too) those of another label, nearest first.

    Another label in regression: a target farther from the row's than the standard deviation of the kept rows'
    targets. Gives positions (rows in index, most), -1 where there are no more, and their share of the k neighbours'
    vote, 0 there.
    """
    kept = np.flatnonzero(keep)
    size = min(k + 1, len(kept))
    search = NearestNeighbors(algorithm="brute").fit(rows.features[kept])
    distance, found = search.kneighbors(rows.features[index], n_neighbors=size)
    found = kept[found]
    itself_last = np.argsort(found == np.asarray(index)[:, None], axis=1, kind="stable")[:, : max(size - 1, 1)]
    distance, found = np.take_along_axis(distance, itself_last, 1), np.take_along_axis(found, itself_last, 1)
    weights = kernel(distance, distance[:, -1])
    shares = weights / weights.sum(axis=1, keepdims=True)
    other = _differs(rows, keep, index, found) & (found != np.asarray(index)[:, None])
    first = np.argsort(~other, axis=1, kind="stable")[:, :most]
    chosen, against = np.take_along_axis(found, first, 1), np.take_along_axis(other, first, 1)
    return np.where(against, chosen, -1), np.where(against, np.take_along_axis(shares, first, 1), 0.0)


def _differs(rows: Rows, keep: NDArray[np.bool_], index: NDArray[Any], found: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Where a neighbour's label is another one than the row's."""
    own = rows.labels[index][:, None]
    if rows.classes:
        return np.asarray(rows.labels[found] != own)
    return np.asarray(np.abs(rows.labels[found] - own) > rows.labels[keep].std())
