"""Every row's k-nearest-neighbour Shapley value, averaged over reference rows.

O(n log n) time and O(n) memory per reference row; distances come in blocks of reference rows from one matrix product.
Two caps, both reported: the game is played by the nearest `ranks` rows (10,000), all others are worth 0, by which no
value is wrong by more than 1 / ranks (classification: by Abel summation a row of rank m is worth at most 1 / m, and
moves those before it by as much); and reference rows are subsampled, class by class, where rows x reference rows
exceed `pairs`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.neighbors.shapley import AgreementGame, TargetGame
from culpa.influence.proxy import ReferenceInfluence
from culpa.influence.rows import Rows
from culpa.influence.threads import in_threads, slices

__all__ = ["Market", "draw_reference", "influence_of"]

Array = NDArray[np.float64]
BLOCK_ENTRIES = 16_000_000  # distances at a time
SAMPLE = 10_000


@dataclass(frozen=True)
class Market:
    """The rows that are valued, and those of them that trade."""

    rows: Rows
    keep: NDArray[np.bool_]
    k: int
    ranks: int  # the most rows that play one game

    def values(self, reference: Rows) -> Iterator[tuple[NDArray[np.intp], Array]]:
        """For each reference row: the rows that are worth something to it, and what they are worth."""
        features = self.rows.features
        squares = np.einsum("ij,ij->i", features, features)
        centre = 0.0 if self.rows.classes else float(self.rows.labels[self.keep].mean())
        for block in slices(len(reference), max(1, BLOCK_ENTRIES // len(self.rows))):
            distances = reference.features[block].astype(features.dtype) @ features.T
            distances *= -2
            distances += squares
            pairs = zip(distances, reference.labels[block], strict=True)
            yield from in_threads(lambda pair: self._game(*pair, centre), pairs)

    def _game(self, distance: NDArray[Any], label: Any, centre: float) -> tuple[NDArray[np.intp], Array]:
        """The Shapley values of the nearest rows to one reference row."""
        order = _nearest(distance, self.ranks)
        kept = self.keep[order]
        players, others = order[kept], order[~kept]
        if not len(players):
            return players, np.zeros(0)
        game, measure = self._rules(players, label, centre)
        values = game.values()
        rank = np.minimum(kept.cumsum()[~kept], len(players) - 1)
        beside = game.stand_in(values, rank, measure(others)) if len(others) else np.zeros(0)
        return np.concatenate([players, others]), np.concatenate([values, beside])

    def _rules(self, players: NDArray[np.intp], label: Any, centre: float) -> tuple[AgreementGame | TargetGame, Any]:
        """The game of these players for a reference label, and what it looks at in a row."""
        labels = self.rows.labels
        if self.rows.classes:
            agree = partial(_agreement, labels, label)
            return AgreementGame(agree(players), self.k), agree
        return TargetGame(labels[players] - centre, float(label) - centre, self.k), lambda rows: labels[rows] - centre


def _agreement(labels: NDArray[Any], label: Any, rows: NDArray[np.intp]) -> Array:
    return np.asarray(labels[rows] == label, dtype=np.float64)


def _nearest(distance: NDArray[Any], most: int) -> NDArray[np.intp]:
    """The nearest rows in order of distance, equal ones in order of position; a sample bounds where to look."""
    if len(distance) <= most:
        return np.argsort(distance, kind="stable")
    sample = distance[:: max(1, len(distance) // SAMPLE)]
    rank = min(len(sample) - 1, int(1.2 * most * len(sample) / len(distance)) + 50)
    near = np.flatnonzero(distance <= np.partition(sample, rank)[rank])
    if len(near) < most:
        near = np.arange(len(distance))
    if len(near) > most:
        near = near[np.sort(np.argpartition(distance[near], most)[:most])]
    return near[np.argsort(distance[near], kind="stable")]


def draw_reference(reference: Rows, most: int, seed: int) -> NDArray[np.intp]:
    """Positions of at most some `most` of the reference rows, of every class its share (at least one)."""
    if len(reference) <= most:
        return np.arange(len(reference))
    order = np.random.default_rng(seed).permutation(len(reference))
    if not reference.classes:
        return np.sort(order[:most])
    members = [order[reference.labels[order] == label] for label in range(reference.classes)]
    taken = [of[: -(-len(of) * most // len(reference))] for of in members]
    return np.sort(np.concatenate(taken))


def influence_of(market: Market, reference: Rows) -> ReferenceInfluence:
    """Mean value of every row to the reference rows, with its standard error; units as in `shapley`."""
    outputs, count = max(reference.classes, 1), len(reference)
    by_class, squares = np.zeros((len(market.rows), outputs)), np.zeros(len(market.rows))
    classes = reference.labels if reference.classes else np.zeros(count, np.intp)
    for label, (rows, values) in zip(classes, market.values(reference), strict=True):
        by_class[rows, label] += values
        squares[rows] += values**2
    mean = by_class.sum(axis=1) / count
    members = np.bincount(classes, minlength=outputs).astype(np.float64)
    by_class /= np.where(members > 0, members, np.nan)
    unknown = np.full(len(mean), np.nan)
    error = np.sqrt(np.maximum(squares / count - mean**2, 0) / (count - 1)) if count > 1 else unknown
    return ReferenceInfluence(mean, error, by_class, mean.copy() if reference.classes else unknown, mean)
