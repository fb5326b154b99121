"""Who is drawn together: bootstrap bags of whole duplicate groups, each of at most some 50,000 rows.

A tree that holds any row of a duplicate group holds all of it, so its duplicates cannot speak for a row that is out
of bag.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bag", "bag_drawer", "draw_rate"]


@dataclass(frozen=True)
class Bag:
    """The rows one tree grows on."""

    rows: NDArray[np.int32]  # (bag,) positions, rising
    weight: NDArray[np.float64]  # (bag,) how often each was drawn, at least once
    groups: NDArray[np.int32]  # (held,) group numbers of which a row was drawn, rising


def draw_rate(groups: NDArray[np.intp], keep: NDArray[np.bool_], subsample: int) -> float:
    """How often a kept row is drawn into one bag, in the mean: 1 while all kept rows fit in `subsample`."""
    return min(1.0, subsample / int(keep.sum()))


def bag_drawer(groups: NDArray[np.intp], keep: NDArray[np.bool_], *, subsample: int, seed: int) -> Callable[[int], Bag]:
    """A function from a tree's number to its bag; bags do not look at labels and do not depend on each other.

    Groups (numbered from 0) are drawn with replacement until the expected number of rows is that of all kept rows, or
    `subsample`. Where huge groups swell a bag beyond twice `subsample`, rows of it are left out at random.
    """
    kept_groups = np.unique(groups[keep])
    draws = max(1, round(len(kept_groups) * draw_rate(groups, keep, subsample)))
    numbers = int(groups.max()) + 1

    def draw(tree: int) -> Bag:
        chance = np.random.default_rng([seed, tree])
        drawn = kept_groups[chance.integers(0, len(kept_groups), draws)]
        times = np.bincount(drawn, minlength=numbers)
        rows = np.flatnonzero((times[groups] > 0) & keep)
        if len(rows) > 2 * subsample:
            rows = np.sort(chance.choice(rows, subsample, replace=False))
        weight = times[groups[rows]].astype(np.float64)
        return Bag(rows.astype(np.int32), weight, np.unique(drawn).astype(np.int32))

    return draw
