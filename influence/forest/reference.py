"""Influence of rows on reference rows: the exact effect of taking the row out of its leaves, the structure fixed.

Loss at a reference row v, averaged over trees t with P_t read off v's leaf:

    classification   1 - P_t(own label)        regression   (target - P_t)^2

Both separate by leaf: a row only changes trees in which it shares v's leaf, and there its effect depends on v through
counts of the leaf alone. So reference rows are counted once per tree and leaf, and no (row, reference row) pair is
ever visited; the mean is exact. The classification loss is linear in P, hence also exact for the forest's averaged
probability, and its negative is the effect on P(own label). The regression loss is the mean of the trees' squared
errors: the forest's own squared error plus the trees' variance.

influence(i, v) = loss without row i - loss with it, positive helps. With the `Change` (factor f, node) of row i in
v's leaf: f ([y_v = y_i] - values[node, y_v]), or D (-2 (y_v - P_t) + square D) with D = f (values[node] - y_i).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from culpa.influence.forest.leaves import Change, Leaves
from culpa.influence.rows import Rows

__all__ = ["LeafCounts", "count_classes", "count_targets", "pair_influence"]

Array = NDArray[np.float64]


class LeafCounts(Protocol):
    """Reference rows, counted in the leaves of one tree."""

    @property
    def leaves(self) -> Leaves:
        """The leaves of that tree."""

    def by_class(self, change: Change, leaf: NDArray[Any], labels: NDArray[Any]) -> Array:
        """Influence of each row summed over each class's reference rows: (rows, outputs)."""

    def by_batch(self, change: Change, leaf: NDArray[Any], labels: NDArray[Any]) -> Array:
        """Influence of each row summed over each batch of reference rows: (rows, batches)."""


@dataclass(frozen=True)
class _ClassCounts:
    """Counts for classification."""

    leaves: Leaves
    members: Array  # (nodes, classes) reference rows of each class in each leaf
    shares: tuple[
        Array, Array
    ]  # (nodes, batches) sum over the leaf's reference rows of P(own label): by leaf, by its parent
    labels: csr_array  # (nodes * classes, batches) reference rows of each class

    def by_class(self, change: Change, leaf: NDArray[Any], labels: NDArray[Any]) -> Array:
        """See `LeafCounts`."""
        members = self.members[leaf]
        sums = -self.leaves.values[change.node] * members
        row = np.arange(len(leaf))
        sums[row, labels] += members[row, labels]
        return np.asarray(sums * change.factor[:, None])

    def by_batch(self, change: Change, leaf: NDArray[Any], labels: NDArray[Any]) -> Array:
        """See `LeafCounts`."""
        sums: Array = self.labels[leaf.astype(np.intp) * self.members.shape[1] + labels].toarray()
        sums -= self.shares[0][leaf]
        fallen = change.fallback
        sums[fallen] += self.shares[0][leaf[fallen]] - self.shares[1][leaf[fallen]]
        return sums * change.factor[:, None]


@dataclass(frozen=True)
class _TargetCounts:
    """Counts for regression."""

    leaves: Leaves
    members: Array  # (nodes, batches) reference rows in each leaf
    residuals: Array  # (nodes, batches) sum of target - P over them

    def by_class(self, change: Change, leaf: NDArray[Any], labels: NDArray[Any]) -> Array:
        """See `LeafCounts`: one output."""
        moved = change.factor * (self.leaves.values[change.node, 0] - labels)
        members, residuals = self.members.sum(axis=1)[leaf], self.residuals.sum(axis=1)[leaf]
        return np.asarray(moved * (change.square * moved * members - 2 * residuals))[:, None]

    def by_batch(self, change: Change, leaf: NDArray[Any], labels: NDArray[Any]) -> Array:
        """See `LeafCounts`."""
        moved = (change.factor * (self.leaves.values[change.node, 0] - labels))[:, None]
        return np.asarray(moved * (change.square * moved * self.members[leaf] - 2 * self.residuals[leaf]))


def count_classes(leaves: Leaves, leaf: NDArray[np.intp], reference: Rows, batches: int) -> LeafCounts:
    """Count labelled reference rows, which lie in these leaves; row number v belongs to batch v mod batches."""
    nodes, classes = leaves.values.shape
    labels, batch = reference.labels, np.arange(len(leaf)) % batches
    members = np.bincount(leaf * classes + labels, minlength=nodes * classes).reshape(nodes, classes)
    above = np.maximum(leaves.parent[leaf], 0)
    shares = tuple(_by_batch(leaf, batch, (nodes, batches), leaves.values[node, labels]) for node in (leaf, above))
    cells = csr_array((np.ones(len(leaf)), (leaf * classes + labels, batch)), shape=(nodes * classes, batches))
    return _ClassCounts(leaves, members.astype(np.float64), (shares[0], shares[1]), cells)


def count_targets(leaves: Leaves, leaf: NDArray[np.intp], reference: Rows, batches: int) -> LeafCounts:
    """Count reference rows with numbers for labels; batches as in `count_classes`."""
    shape, batch = (len(leaves.values), batches), np.arange(len(leaf)) % batches
    residuals = reference.labels - leaves.values[leaf, 0]
    return _TargetCounts(
        leaves, _by_batch(leaf, batch, shape, np.ones(len(leaf))), _by_batch(leaf, batch, shape, residuals)
    )


def _by_batch(leaf: NDArray[np.intp], batch: NDArray[np.intp], shape: tuple[int, int], weights: Array) -> Array:
    """Sums of weights over the reference rows of each leaf and batch."""
    sums = np.bincount(leaf * shape[1] + batch, weights, minlength=shape[0] * shape[1])
    return sums.astype(np.float64).reshape(shape)


def pair_influence(
    leaves: Leaves, change: Change, leaf: NDArray[Any], labels: NDArray[Any], other: NDArray[Any], reference: Rows
) -> csr_array:
    """Influence of each row on each reference row (in leaves `other`) in one tree: sparse (rows, reference rows)."""
    nodes = len(leaves.values)
    row = csr_array((np.ones(len(leaf)), (np.arange(len(leaf)), leaf)), shape=(len(leaf), nodes))
    column = csr_array((np.ones(len(other)), (other, np.arange(len(other)))), shape=(nodes, len(other)))
    shared = (row @ column).tocoo()
    i, v = shared.coords
    if reference.classes:
        agree = labels[i] == reference.labels[v]
        found = change.factor[i] * (agree - leaves.values[change.node[i], reference.labels[v]])
    else:
        moved = change.factor[i] * (leaves.values[change.node[i], 0] - labels[i])
        found = moved * (change.square * moved - 2 * (reference.labels[v] - leaves.values[other[v], 0]))
    return csr_array((found, (i, v)), shape=shared.shape)
