"""Which rows leave together: a row's exact duplicates hide each other, so `without` takes all of them out at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from culpa.influence.linear.heads import Array
from culpa.influence.linear.problem import Problem

__all__ = ["LeavingRows", "leaving_rows"]


@dataclass(frozen=True)
class LeavingRows:
    """For each row, its kept duplicates (itself among them, when kept)."""

    several: NDArray[np.bool_]  # (rows,) leaving the group out differs from leaving the row out
    groups: NDArray[np.intp]  # (rows,) group numbers from 0
    copies: NDArray[np.int64]  # (groups,) kept rows of each group
    targets: csr_array  # (groups, outputs) sum of the kept rows' targets: one-hot labels, or numbers
    labels: Array

    def residuals(self, block: slice, some: NDArray[np.bool_], residuals: Array) -> tuple[Array, Array]:
        """Copies (rows,) and summed residuals (rows, outputs) of what leaves with the rows `some` of a block."""
        groups, labels = self.groups[block][some], self.labels[block][some]
        copies = self.copies[groups].astype(np.float64)
        predictions = residuals.astype(np.float64)
        if residuals.shape[1] == 1:
            predictions[:, 0] += labels
        else:
            predictions[np.arange(len(labels)), labels] += 1
        return copies, copies[:, None] * predictions - self.targets[groups].toarray()


def leaving_rows(rows: Problem, keep: NDArray[np.bool_], groups: NDArray[np.int64]) -> LeavingRows:
    """Count and sum the kept rows of every duplicate group."""
    _, number = np.unique(groups, return_inverse=True)
    count = int(number.max()) + 1
    copies = np.bincount(number[keep], minlength=count)
    single = rows.head.outputs == 1
    outputs = np.zeros(int(keep.sum()), np.intp) if single else rows.labels[keep].astype(np.intp)
    values = rows.labels[keep].astype(np.float64) if single else np.ones(int(keep.sum()))
    targets = csr_array((values, (number[keep], outputs)), shape=(count, rows.head.outputs))
    return LeavingRows(copies[number] != keep, number, copies, targets, rows.labels)
