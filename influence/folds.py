"""Folds that take turns as reference rows when nobody trusted any: stratified, by place in the rows' canonical order.

Rows come sorted by the hash of their id, so counting off within each class is a stratified draw that does not depend
on how the input was ordered.
"""

import numpy as np
from numpy.typing import NDArray

from culpa.influence.rows import Rows

__all__ = ["assign_folds", "fold_count"]

MANY_ROWS = 20_000  # above it half the data is reference enough, and two folds cost less than five
FEW_FOLDS, USUAL_FOLDS = 2, 5


def fold_count(rows: int) -> int:
    """Five folds, two for many rows."""
    return FEW_FOLDS if rows > MANY_ROWS else USUAL_FOLDS


def assign_folds(rows: Rows, folds: int) -> NDArray[np.intp]:
    """Fold of each row, (rows,): counted off within each class, duplicates of a row in its fold."""
    strata = rows.labels.astype(np.int64) if rows.classes else np.zeros(len(rows), np.int64)
    order = np.argsort(strata, kind="stable")
    counts = np.bincount(strata)
    place = np.empty(len(rows), np.intp)
    place[order] = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    _, first, group = np.unique(rows.groups, return_index=True, return_inverse=True)
    chosen: NDArray[np.intp] = (place % folds)[first[group]]
    return chosen
