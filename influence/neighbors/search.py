"""The nearest points of a row, without its own point, and the weight of their votes.

    weight_j = k exp(-2 (d_j / h)^2) / sum of the same,    h the distance to the first point that no longer votes

A row's own label, where it takes part, has the weight of distance 0. Mean average precision of the margin over nine
kinds of planted errors: .940 with k = 20 and this kernel, .917 with k = 10, .934 with k = 50, .934 with inverse
distances and k = 15. Choosing k by the log-loss of the given labels favours smaller k and was worse.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from culpa.influence.neighbors.points import Points

__all__ = ["Neighborhood", "kernel", "neighborhood"]

Array = NDArray[np.float64]
STEEPNESS = 2.0


@dataclass(frozen=True)
class Neighborhood:
    """The neighbours of a block of rows."""

    weights: csr_array  # (rows, points)
    own: Array  # (rows,) weight of a vote at distance 0


def neighborhood(points: Points, features: NDArray[Any], groups: NDArray[np.intp], k: int) -> Neighborhood:
    """The k nearest points of each row that are not its duplicate group's; fewer only where there are no more."""
    size = min(k + 2, len(points))
    distance, found = points.index.kneighbors(features, n_neighbors=size)
    own_last = np.argsort(points.group[found] == groups[:, None], axis=1, kind="stable")[:, : size - 1]
    distance, found = np.take_along_axis(distance, own_last, 1), np.take_along_axis(found, own_last, 1)
    voters = max(min(size - 1, 1), size - 2)
    if not voters:
        return Neighborhood(csr_array((len(features), len(points))), np.ones(len(features)))
    weights = kernel(distance[:, :voters], distance[:, -1])
    scale = voters / weights.sum(axis=1)
    ends = np.arange(len(features) + 1) * voters
    entries = ((weights * scale[:, None]).ravel(), found[:, :voters].ravel(), ends)
    return Neighborhood(csr_array(entries, shape=(len(features), len(points))), scale)


def kernel(distance: NDArray[Any], reach: NDArray[Any]) -> Array:
    """Weights of votes at these distances (rows, neighbours): 1 at distance 0, exp(-2) at `reach` (rows,)."""
    least = np.finfo(np.float64).tiny
    relative = distance.astype(np.float64) / np.maximum(reach.astype(np.float64), least)[:, None]
    return np.exp(-STEEPNESS * relative**2)
