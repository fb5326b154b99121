"""How well scores find wrong rows that are known: of all wrong rows, the share among the k lowest, and its area over k.

    NDR@k = wrong rows among the k of lowest score / wrong rows        AUC-NDR = mean of NDR@k over k = 1, ..., rows

Lowest is most harmful: positive helps. Rows of one score are taken in any order, so that the rate is its mean over all
orders. With w rows of n wrong, chance has an AUC-NDR of about .5, the best order about 1 - w / (2 n).
Source: noise detection rate Vitel & Chhabra 2025.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["area_under_rates", "noise_detection_rate", "noise_detection_rates"]

Array = NDArray[np.float64]


def noise_detection_rates(scores: Array, wrong: NDArray[np.bool_]) -> Array:
    """NDR@k for k = 1, ..., rows, (rows,), from the scores and which rows are wrong, (rows,) each.

    >>> noise_detection_rates(np.array([3.0, -1.0, 2.0, -1.0]), np.array([True, True, False, False])).tolist()
    [0.25, 0.5, 0.5, 1.0]
    """
    if scores.shape != wrong.shape or scores.ndim != 1 or not wrong.any():
        raise ValueError(
            f"scores {scores.shape} and {int(wrong.sum())} wrong rows of {wrong.shape} came: needed one score and one "
            "mark for each row, and a row that is wrong"
        )
    _, places, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    found = np.bincount(places, weights=wrong)
    ends, totals = (np.concatenate([[0.0], np.cumsum(part)]) for part in (sizes, found))
    return np.interp(np.arange(1, len(scores) + 1), ends, totals) / wrong.sum()


def noise_detection_rate(scores: Array, wrong: NDArray[np.bool_], k: int) -> float:
    """NDR@k: the share of the wrong rows among the k of lowest score.

    >>> noise_detection_rate(np.array([3.0, -1.0, 2.0, 0.0]), np.array([True, True, False, False]), 2)
    0.5
    """
    if not 1 <= k <= len(scores):
        raise ValueError(f"k must be from 1 to the {len(scores)} rows, got {k}: try the number you would review")
    return float(noise_detection_rates(scores, wrong)[k - 1])


def area_under_rates(scores: Array, wrong: NDArray[np.bool_]) -> float:
    """AUC-NDR, from 0 to 1.

    >>> area_under_rates(np.array([3.0, -1.0, 2.0, 0.0]), np.array([False, True, False, False]))
    1.0
    """
    return float(noise_detection_rates(scores, wrong).mean())
