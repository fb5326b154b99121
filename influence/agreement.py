"""Whether scores of rows agree with what happened without the rows, and how surely: the guard of every run.

Influence is a forecast. So a few rows, or groups of rows, are really left out, and the rise of the mean reference loss
is held against the score, or the sum of the group's scores. Intervals are bootstrapped over the removals.
Source: Basu et al. 2021 (fragility); empirical influence, arXiv 2406.00509.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["LEAST_REMOVALS", "Agreement", "agreement", "rank_correlations"]

Array = NDArray[np.float64]
Interval = tuple[float, float]

RESAMPLES = 2_000
LEAST_REMOVALS = 5


@dataclass(frozen=True)
class Agreement:
    """What was foretold of some removals, what came, and how far the two agree."""

    predicted: Array  # (removals,) score, or sum of a group's scores
    measured: Array  # (removals,) rise of the mean reference loss, positive: the rows helped
    spearman: float  # 1: the scores order the removals as retraining does
    spearman_interval: Interval  # 95 %
    same_sign: float  # share of the removals of which help or harm was foretold rightly
    same_sign_interval: Interval  # 95 %


def agreement(predicted: Array, measured: Array, *, seed: int) -> Agreement:
    """Rank correlation and agreement of signs, with intervals from resampled removals."""
    drawn = np.random.default_rng(seed).integers(0, len(predicted), (len(predicted), RESAMPLES))
    ranks = rank_correlations(predicted[drawn], measured[drawn])
    signs = (np.sign(predicted) == np.sign(measured)).astype(np.float64)
    return Agreement(
        predicted,
        measured,
        float(rank_correlations(predicted[:, None], measured[:, None])[0]),
        _interval(ranks),
        float(signs.mean()),
        _interval(signs[drawn].mean(axis=0)),
    )


def rank_correlations(one: NDArray[Any], other: NDArray[Any]) -> Array:
    """Spearman correlation of each column with the other's: (n, columns) twice to (columns,); 0 where one is constant.

    >>> rank_correlations(np.array([[1.0, 5.0], [2.0, 5.0]]), np.array([[9.0, 1.0], [7.0, 2.0]])).tolist()
    [-1.0, 0.0]
    """
    ranks, others = (rankdata(values, axis=0) for values in (one, other))
    ranks, others = ranks - ranks.mean(axis=0), others - others.mean(axis=0)
    lengths = np.sqrt((ranks**2).sum(axis=0) * (others**2).sum(axis=0))
    found: Array = (ranks * others).sum(axis=0) / np.where(lengths > 0, lengths, 1.0)
    return found


def _interval(resampled: Array) -> Interval:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)
