"""The forest proxy: bagged trees, each row's influence and its scores with and without itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.forest.bags import bag_drawer, draw_rate
from culpa.influence.forest.leaves import leaves_of
from culpa.influence.forest.reference import LeafCounts, count_classes, count_targets, pair_influence
from culpa.influence.forest.scores import Membership, score_block
from culpa.influence.forest.totals import no_totals
from culpa.influence.forest.trees import Grown, grow
from culpa.influence.proxy import ProxyScores, ReferenceInfluence, score_blocks
from culpa.influence.rows import Rows
from culpa.influence.threads import in_threads, slices

__all__ = ["FittedForest", "fit_forest"]

BATCHES = 30  # of reference rows, whose spread gives the standard error
MOST_TREES, FEWEST_TREES = 200, 64
TREE_ROWS = 10_000_000  # trees times rows between those two
BLOCK_ENTRIES = 2_000_000


@dataclass(frozen=True)
class FittedForest:
    """Grown trees over the rows they were given."""

    rows: Rows  # all rows, kept or not
    groups: NDArray[np.intp]  # (rows,) duplicate groups, numbered from 0
    keep: NDArray[np.bool_]  # (rows,) which took part in the training
    trees: tuple[Grown, ...]
    rate: float  # how often a kept row is drawn into a bag, in the mean
    name = "forest"

    def scores(self) -> ProxyScores:
        """Score every row by the trees that hold it and those that do not."""
        blank = 1 / self.rows.classes if self.rows.classes else float(self.rows.labels[self.keep].mean())
        copied = self.keep & (np.bincount(self.groups[self.keep], minlength=len(self.rows))[self.groups] > 1)
        member = Membership(self.groups, self._idle(), copied, self.rate)

        def score(block: slice) -> ProxyScores:
            return score_block(self.rows, block, self.trees, member, blank)

        return score_blocks(len(self.rows), self._outputs, self._blocks(), score, threads=True)

    def influence_on(self, reference: Rows) -> ReferenceInfluence:
        """Influence of every row on the reference rows: P(own label), or squared target units; positive helps."""
        if not len(reference):
            raise ValueError(
                "no reference rows came, at least one is needed: pass the trusted rows, or a fold of the rows"
            )
        totals, idle = no_totals(len(self.rows), self._outputs, min(BATCHES, len(reference))), self._idle()
        for grown in self.trees:
            totals.add_tree(self.rows, grown, self._count(grown, reference), idle, self.rate, self._blocks())
        return totals.influence(reference, len(self.trees))

    def influence_between(self, index: NDArray[Any], reference: Rows) -> NDArray[np.float64]:
        """influence(i, v) of a few rows on each reference row: (rows in index, reference rows), positive helps."""
        part, idle = self.rows.take(index), self._idle()[index]
        found = np.zeros((len(index), len(reference)))
        for grown in self.trees:
            leaves = leaves_of(grown, self._outputs)
            leaf, other = grown.apply(part.features), grown.apply(reference.features)
            place = np.searchsorted(grown.bag.rows, index).clip(max=len(grown.bag.rows) - 1)
            inside = grown.bag.rows[place] == index
            taken = leaves.taking_out(leaf[inside], grown.bag.weight[place[inside]])
            put = leaves.putting_in(leaf[idle], self.rate)
            for rows, change in ((inside, taken), (idle, put)):
                pairs = pair_influence(leaves, change, leaf[rows], part.labels[rows], other, reference)
                found[rows] += pairs.toarray()
        return found / len(self.trees)

    def report(self) -> dict[str, object]:
        """What a run records of this proxy."""
        return {
            "trees": len(self.trees),
            "rows_per_tree": int(np.mean([grown.bag.weight.sum() for grown in self.trees])),
            "leaves_per_tree": int(np.mean([grown.tree.n_leaves for grown in self.trees])),
            "rows_in_no_bag": int(self._idle().sum()),
        }

    @property
    def _outputs(self) -> int:
        return max(self.rows.classes, 1)

    def _blocks(self) -> list[slice]:
        return list(slices(len(self.rows), max(1, BLOCK_ENTRIES // (self._outputs + BATCHES))))

    def _idle(self) -> NDArray[np.bool_]:
        """Which rows are in no bag: (rows,)."""
        idle = np.ones(len(self.rows), np.bool_)
        for grown in self.trees:
            idle[grown.bag.rows] = False
        return idle

    def _count(self, grown: Grown, reference: Rows) -> LeafCounts:
        count = count_classes if self.rows.classes else count_targets
        blocks = slices(len(reference), BLOCK_ENTRIES // 32)
        leaf = np.concatenate(in_threads(lambda block: grown.apply(reference.features[block]), blocks))
        return count(leaves_of(grown, self._outputs), leaf, reference, min(BATCHES, len(reference)))


def fit_forest(
    rows: Rows,
    keep: NDArray[np.bool_] | None = None,
    *,
    seed: int,
    trees: int | None = None,
    subsample: int = 50_000,
    leaf_rows: int = 3,
) -> FittedForest:
    """Grow bagged trees on the kept rows; time and memory are linear in the rows.

    `trees`, left out: 200 up to 50,000 rows, then 10 million / rows, never fewer than 64. Each grows on at most some
    `subsample` rows, each leaf holds at least `leaf_rows` of them.

    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows = Rows(x, (x[:, 0] > 0).astype(np.int64), 2, np.arange(60))
    >>> scores = fit_forest(rows, seed=0).scores()
    >>> bool(scores.own_with.mean() > scores.own_without.mean())
    True
    """
    keep = np.ones(len(rows), np.bool_) if keep is None else keep
    if not keep.any():
        raise ValueError(f"none of {len(rows)} rows is kept, at least one is needed to grow trees: keep some rows")
    number = trees or int(np.clip(TREE_ROWS // len(rows), FEWEST_TREES, MOST_TREES))
    groups = np.unique(rows.groups, return_inverse=True)[1].astype(np.intp)
    draw = bag_drawer(groups, keep, subsample=subsample, seed=seed)
    grown = in_threads(lambda tree: grow(rows, draw(tree), number=tree, leaf_rows=leaf_rows, seed=seed), range(number))
    return FittedForest(rows, groups, keep, tuple(grown), draw_rate(groups, keep, subsample))
