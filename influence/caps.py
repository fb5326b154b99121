"""The rows of highest score, but never too many of a class: whoever removes rows by score removes them through here."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_KEPT", "MOST_OF_A_CLASS", "highest_within_caps"]

MOST_OF_A_CLASS = 0.6  # nobody removes more of any class
LEAST_KEPT = 2  # rows of a class that stay, however bad they look


def highest_within_caps(score: NDArray[np.float64], classes: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """The `count` rows of highest score, less those that the caps of their class forbid: a mask (rows,).

    `classes` (rows,) are codes from 0; all nought where there is but one cap for all.

    >>> highest_within_caps(np.array([3.0, 2.0, 1.0, 0.0, 9.0]), np.array([0, 0, 0, 0, 1]), 4).tolist()
    [True, True, False, False, False]
    """
    chosen = np.argsort(-score, kind="stable")[:count]
    sizes = np.bincount(classes)
    caps = np.floor(np.minimum(MOST_OF_A_CLASS * sizes, sizes - LEAST_KEPT).clip(0))
    order = chosen[np.argsort(classes[chosen], kind="stable")]
    counts = np.bincount(classes[order], minlength=len(sizes))
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    mask = np.zeros(len(score), np.bool_)
    mask[order[place < caps[classes[order]]]] = True
    return mask
