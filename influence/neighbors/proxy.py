"""The neighbours proxy: each row's value to reference rows, and its scores with and without itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from culpa.influence.neighbors.evidence import contradicting
from culpa.influence.neighbors.points import Points, cast_votes, draw_points
from culpa.influence.neighbors.reference import Market, draw_reference, influence_of
from culpa.influence.neighbors.scores import score_block
from culpa.influence.proxy import ProxyScores, ReferenceInfluence, score_blocks
from culpa.influence.rows import Rows
from culpa.influence.threads import slices

__all__ = ["FittedNeighbors", "fit_neighbors"]

SEARCH_PAIRS = 20_000_000_000  # rows times points searched: about a minute on two processors
FEWEST_POINTS = 1_000
BLOCK_ENTRIES = 4_000_000


@dataclass(frozen=True)
class FittedNeighbors:
    """The points that vote, over the rows that were given."""

    rows: Rows  # all rows, kept or not
    groups: NDArray[np.intp]  # (rows,) duplicate groups, numbered from 0
    votes: csr_array  # (groups, columns) votes of each group's kept rows
    points: Points
    k: int  # neighbours that vote
    market: Market
    pairs: int
    seed: int
    name = "neighbors"

    def scores(self) -> ProxyScores:
        """Score every row by its nearest points, with and without itself."""
        total = np.asarray(self.votes.sum(axis=0)).ravel()
        outputs = max(self.rows.classes, 1)
        blocks = self._blocks()  # in turn: the search of each is already made in threads
        return score_blocks(len(self.rows), outputs, blocks, lambda block: self._score(block, total), threads=False)

    def influence_on(self, reference: Rows) -> ReferenceInfluence:
        """Shapley value of every row to the reference rows: P(own label), or squared target units; positive helps."""
        if not len(reference):
            raise ValueError(
                "no reference rows came, at least one is needed: pass the trusted rows, or a fold of the rows"
            )
        return influence_of(self.market, reference.take(self._drawn(reference)))

    def influence_between(self, index: NDArray[Any], reference: Rows) -> NDArray[np.float64]:
        """Shapley value of a few rows to each reference row: (rows in index, reference rows), positive helps.

        Where rows times reference rows exceed `pairs`, only the reference rows drawn for `influence_on` are visited;
        others get 0.
        """
        found, worth = np.zeros((len(index), len(reference))), np.zeros(len(self.rows))
        drawn = self._drawn(reference)
        for number, (rows, values) in zip(drawn, self.market.values(reference.take(drawn)), strict=True):
            worth[rows] = values
            found[:, number] = worth[index]
            worth[rows] = 0
        return found

    def outvoted_by(self, index: NDArray[Any], *, most: int = 5) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The nearest kept rows that contradict each row, and their share of the vote: (rows in index, most)."""
        return contradicting(self.rows, self.market.keep, index, k=self.k, most=most)

    def report(self) -> dict[str, object]:
        """What a run records of this proxy."""
        return {
            "k": self.k,
            "shapley_k": self.market.k,
            "points": len(self.points),
            "points_of": len(np.unique(self.groups[self.market.keep])),
            "shapley_ranks": min(self.market.ranks, len(self.rows)),
            "most_reference_rows": self._most_reference(),
        }

    def _drawn(self, reference: Rows) -> NDArray[np.intp]:
        return draw_reference(reference, self._most_reference(), self.seed)

    def _most_reference(self) -> int:
        return max(self.pairs // len(self.rows), 1)

    def _blocks(self) -> list[slice]:
        width = self.rows.features.shape[1] + 4 * (self.k + max(self.rows.classes, 1))
        return list(slices(len(self.rows), max(1, BLOCK_ENTRIES // width)))

    def _score(self, block: slice, total: NDArray[np.float64]) -> ProxyScores:
        part = self.rows.take(np.arange(block.start, block.stop))
        keep, groups = self.market.keep[block], self.groups[block]
        return score_block(part, keep, groups, self.votes, total, self.points, self.k)


def fit_neighbors(
    rows: Rows,
    keep: NDArray[np.bool_] | None = None,
    *,
    seed: int,
    k: int = 20,
    shapley_k: int = 5,
    anchors: int = 50_000,
    ranks: int = 10_000,
    pairs: int = 2_000_000_000,
) -> FittedNeighbors:
    """Let the kept rows vote on their neighbours.

    Searched are at most `anchors` distinct points, drawn by `seed`, and fewer where rows x points would exceed 20
    billion; all rows are scored. The Shapley values know no such sample: there all kept rows play, capped by `ranks`
    and `pairs` (`reference`). They look at fewer neighbours than the votes do: on clean reference rows mean average
    precision over six kinds of planted errors is .957 with 5, .946 with 20.

    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows = Rows(x, (x[:, 0] > 0).astype(np.int64), 2, np.arange(60))
    >>> scores = fit_neighbors(rows, seed=0).scores()
    >>> bool((scores.own_with >= scores.own_without).all())
    True
    """
    keep = np.ones(len(rows), np.bool_) if keep is None else keep
    if not keep.any():
        raise ValueError(f"none of {len(rows)} rows is kept, at least one is needed to vote: keep some rows")
    groups = np.unique(rows.groups, return_inverse=True)[1].astype(np.intp)
    votes = cast_votes(rows, keep, groups)
    most = min(anchors, max(SEARCH_PAIRS // len(rows), FEWEST_POINTS))
    points = draw_points(rows, keep, groups, votes, most=most, seed=seed)
    return FittedNeighbors(rows, groups, votes, points, k, Market(rows, keep, shapley_k, ranks), pairs, seed)
