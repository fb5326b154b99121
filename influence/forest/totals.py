"""Every row's influence on the reference rows, added up tree by tree.

The standard error over reference rows comes from the means of some 30 batches of them (row v in batch v mod 30; rows
come in the order of a hash, so that batches are alike), which keeps the cost linear; up to 30 reference rows it is
exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.forest.leaves import Change
from culpa.influence.forest.reference import LeafCounts
from culpa.influence.forest.trees import Grown
from culpa.influence.proxy import ReferenceInfluence
from culpa.influence.rows import Rows
from culpa.influence.threads import in_threads, slices

__all__ = ["Totals", "no_totals"]

SPREAD_ENTRIES = 2_000_000


@dataclass(frozen=True)
class Totals:
    """Sums over trees and reference rows; turned into means in place, at the end."""

    by_class: NDArray[np.float64]  # (rows, outputs) over each class's reference rows
    by_batch: NDArray[np.float32]  # (rows, batches) over each batch's

    def add_tree(
        self,
        rows: Rows,
        grown: Grown,
        counts: LeafCounts,
        idle: NDArray[np.bool_],
        rate: float,
        blocks: Sequence[slice],
    ) -> None:
        """Add what one tree says: of the rows in its bag by taking them out, of those in no bag by putting them in."""

        def add_block(block: slice) -> None:
            bag, leaves = grown.bag, counts.leaves
            held = slice(*np.searchsorted(bag.rows, [block.start, block.stop]))
            leaf = grown.leaf[held]
            self._add(bag.rows[held], leaf, leaves.taking_out(leaf, bag.weight[held]), counts, rows)
            outside = block.start + np.flatnonzero(idle[block])
            if len(outside):
                found = grown.apply(rows.features[outside])
                self._add(outside, found, leaves.putting_in(found, rate), counts, rows)

        in_threads(add_block, blocks)

    def _add(self, index: NDArray[Any], leaf: NDArray[Any], change: Change, counts: LeafCounts, rows: Rows) -> None:
        labels = rows.labels[index]
        self.by_class[index] += counts.by_class(change, leaf, labels)
        self.by_batch[index] += counts.by_batch(change, leaf, labels).astype(np.float32)

    def influence(self, reference: Rows, trees: int) -> ReferenceInfluence:
        """Means over trees and reference rows, with their standard error."""
        outputs = self.by_class.shape[1]
        mean = self.by_class.sum(axis=1) / (trees * len(reference))
        classes = reference.labels if reference.classes else np.zeros(len(reference), np.intp)
        members = np.bincount(classes, minlength=outputs) * float(trees)
        unknown = np.full(len(mean), np.nan)
        np.divide(self.by_class, np.where(members > 0, members, np.nan), out=self.by_class)
        return ReferenceInfluence(
            mean=mean,
            standard_error=self._error(mean, trees, len(reference)) if len(reference) > 1 else unknown,
            by_class=self.by_class,
            on_probability=mean.copy() if reference.classes else unknown,
            removal=mean,
        )

    def _error(self, mean: NDArray[np.float64], trees: int, count: int) -> NDArray[np.float64]:
        """Standard error of the mean over `count` reference rows, (rows,)."""
        batches = self.by_batch.shape[1]
        sizes = np.bincount(np.arange(count) % batches)
        spread = np.empty(len(mean))
        for block in slices(len(mean), SPREAD_ENTRIES // batches):
            distance = self.by_batch[block] / trees - sizes * mean[block, None]
            spread[block] = (distance**2).sum(axis=1)
        return np.asarray(np.sqrt(spread * batches / (batches - 1)) / count)


def no_totals(rows: int, outputs: int, batches: int) -> Totals:
    """Sums before the first tree."""
    return Totals(np.zeros((rows, outputs)), np.zeros((rows, batches), np.float32))
