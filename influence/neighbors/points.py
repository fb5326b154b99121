"""Who votes: the distinct points among the kept rows, each with the votes of all kept rows that lie on it.

Exact duplicates are one point, so a row's own duplicates are left out by leaving out one point, whatever their number.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.neighbors import NearestNeighbors

from culpa.influence.rows import Rows

__all__ = ["Points", "cast_votes", "draw_points"]


@dataclass(frozen=True)
class Points:
    """The points that are searched for neighbours."""

    group: NDArray[np.intp]  # (points,) the duplicate group that lies on each point
    votes: csr_array  # (points, columns) as in `cast_votes`
    index: Any  # sklearn.neighbors.NearestNeighbors over the points

    def __len__(self) -> int:
        """Count the points."""
        return len(self.group)


def cast_votes(rows: Rows, keep: NDArray[np.bool_], groups: NDArray[np.intp]) -> csr_array:
    """Votes of every duplicate group: kept rows of each class; regression: kept rows, and their targets' sum."""
    kept, number = groups[keep], int(groups.max()) + 1
    labels, once = rows.labels[keep], np.ones(len(kept))
    if rows.classes:
        return csr_array((once, (kept, labels)), shape=(number, rows.classes))
    targets = csr_array((labels.astype(np.float64), (kept, np.ones(len(kept), np.intp))), shape=(number, 2))
    return csr_array((once, (kept, np.zeros(len(kept), np.intp))), shape=(number, 2)) + targets


def draw_points(
    rows: Rows, keep: NDArray[np.bool_], groups: NDArray[np.intp], votes: csr_array, *, most: int, seed: int
) -> Points:
    """All distinct points of the kept rows; where they are more than `most`, so many of them at random."""
    kept = np.flatnonzero(keep)
    found, first = np.unique(groups[kept], return_index=True)
    if len(found) > most:
        drawn = np.sort(np.random.default_rng(seed).choice(len(found), most, replace=False))
        found, first = found[drawn], first[drawn]
    index = NearestNeighbors(algorithm="brute").fit(rows.features[kept[first]])
    return Points(found, votes[found], index)
