"""Every row with and without itself, from the votes of its neighbours.

    P = (sum_j weight_j votes_j + prior) / (sum_j weight_j + 1),

prior: the shares of each class among the kept rows outside the row's group, smoothed by one row a class; regression
has no prior. `without` counts the k nearest other points; `own_without` adds the row's kept duplicates at distance 0;
`own_with` adds the row itself as well, one neighbour more at distance 0. So each is exact, and no row's `without`
depends on the row's own label. Self-influence is the effect of the row's own vote on its own loss (1 - P, or the
squared error).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from culpa.influence.neighbors.points import Points
from culpa.influence.neighbors.search import neighborhood
from culpa.influence.proxy import ProxyScores
from culpa.influence.rows import Rows

__all__ = ["score_block"]

Array = NDArray[np.float64]
LEAST_WEIGHT = 1e-9  # of the mean target where no neighbour votes


def score_block(
    part: Rows,
    keep: NDArray[np.bool_],
    groups: NDArray[np.intp],
    votes: csr_array,
    total: Array,
    points: Points,
    k: int,
) -> ProxyScores:
    """Scores of a block of rows; `votes` are each group's, `total` their sum over all groups."""
    near = neighborhood(points, part.features, groups, k)
    duplicates = votes[groups].toarray()
    mine = _own_vote(part)
    outside = (near.weights @ points.votes).toarray() + _prior(total, duplicates, part.classes)
    alone = outside + near.own[:, None] * (duplicates - mine * keep[:, None])
    joined = alone + near.own[:, None] * mine
    without, own_without, own_with = _outcome(outside, part), _own(alone, part), _own(joined, part)
    gain = own_with - own_without
    if not part.classes:
        gain = (part.labels - own_without) ** 2 - (part.labels - own_with) ** 2
    return ProxyScores(without, own_with, own_without, np.maximum(gain, 0))


def _own_vote(part: Rows) -> Array:
    """Each row's own vote, in the columns of `cast_votes`."""
    if not part.classes:
        return np.column_stack([np.ones(len(part)), part.labels])
    mine = np.zeros((len(part), part.classes))
    mine[np.arange(len(part)), part.labels] = 1
    return mine


def _prior(total: Array, duplicates: Array, classes: int) -> Array:
    """One vote split as the kept rows outside the group are; regression: next to none for their mean target."""
    others = total - duplicates
    if classes:
        return np.asarray((others + 1) / (others.sum(axis=1, keepdims=True) + classes))
    some = others[:, :1] > 0.5
    mean = np.where(some[:, 0], others[:, 1] / np.maximum(others[:, 0], 1), total[1] / total[0])
    return LEAST_WEIGHT * np.column_stack([np.ones(len(mean)), mean])


def _outcome(votes: Array, part: Rows) -> Array:
    """Probabilities, or predictions: (rows, classes or 1)."""
    return votes / votes.sum(axis=1, keepdims=True) if part.classes else votes[:, 1:] / votes[:, :1]


def _own(votes: Array, part: Rows) -> Array:
    """Probability of the own label, or the prediction: (rows,)."""
    columns: NDArray[Any] = part.labels if part.classes else np.zeros(len(part), np.intp)
    return np.asarray(_outcome(votes, part)[np.arange(len(part)), columns])
