"""What a leaf says once a row is taken out of it, the tree's structure fixed.

A leaf of weight N with class shares p (or mean target p) loses a row of weight w and label e (one-hot, or the target):

    p' = (N p - w e) / (N - w),      so      p' - p = w / (N - w) (p - e).

A leaf left empty falls back to its parent node without the row, which is what a tree grown again would do with one
split less: with N and p now the parent's, p' - e = N / (N - w) (p - e). Both are `factor * (values[node] - e)`: a
`Change` keeps the factor and the node. A root left empty stays as it is (factor 0). A row that is in no bag (not
kept, or never drawn) is put in with the rate r at which kept rows are drawn: factor r / (N + r), and taking it out
again leads back to the tree as it is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.forest.trees import Grown

__all__ = ["Change", "Leaves", "leaves_of"]


@dataclass(frozen=True)
class Change:
    """How each row's leaf changes by taking the row out: P without the row - P with it = factor (values[node] - e)."""

    factor: NDArray[np.float64]  # (rows,) >= 0
    node: NDArray[np.intp]  # (rows,) the row's leaf, or the leaf's parent
    fallback: NDArray[np.bool_]  # (rows,) node is the parent
    square: float  # +1: the tree's values are those with the row; -1: they are those without it


@dataclass(frozen=True)
class Leaves:
    """What every node of one tree says, and on how much weight."""

    values: NDArray[np.float64]  # (nodes, outputs)
    weight: NDArray[np.float64]  # (nodes,)
    parent: NDArray[np.intp]  # (nodes,) -1 for the root

    def taking_out(self, leaf: NDArray[Any], weight: NDArray[np.float64]) -> Change:
        """Take each row, which lies in its leaf with this weight, out alone."""
        rest, above = self.weight[leaf] - weight, self.parent[leaf]
        emptied = rest < 0.5  # weights are whole numbers
        left = np.maximum(self.weight[above] - weight, 0.5)
        fallen = np.where(above < 0, 0.0, self.weight[above] / left)
        factor = np.where(emptied, fallen, weight / np.maximum(rest, 0.5))
        return Change(factor, np.where(emptied, np.maximum(above, 0), leaf), emptied, 1.0)

    def putting_in(self, leaf: NDArray[Any], rate: float) -> Change:
        """Put each row into its leaf with weight `rate`, so that it can be taken out."""
        factor = rate / (self.weight[leaf] + rate)
        return Change(factor, leaf.astype(np.intp), np.zeros(len(leaf), np.bool_), -1.0)


def leaves_of(grown: Grown, outputs: int) -> Leaves:
    """The leaves of one tree."""
    return Leaves(grown.values(outputs), grown.tree.weighted_n_node_samples, grown.parents())
