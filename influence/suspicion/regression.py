"""The same for numbers: the studentised residual, and the chance that it comes from a wider law than the others'.

residual = (target - out-of-sample prediction) / robust scale, the scale being 1.4826 x the median absolute residual.
Right targets have residuals of standard normal law, wrong ones of a normal law OUTLIER_SCALE times as wide; the share
of wrong ones is found by expectation maximisation. Source of the two-law model: Tukey's contaminated normal, 1960.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Array = NDArray[np.float64]

__all__ = ["Laws", "TargetSuspicion", "batch_laws", "judge_targets"]

OUTLIER_SCALE = 10.0
ROUNDS = 60


@dataclass(frozen=True)
class Laws:
    """The two laws of the residuals."""

    scale: float  # of right targets' residuals, in target units
    wrong_rate: float  # share of wrong targets


@dataclass(frozen=True)
class TargetSuspicion:
    """What is to be thought of each row's target; high = suspicious."""

    suspicion: Array  # (rows,) absolute studentised residual
    probability_wrong: Array  # (rows,) in [0, 1]
    log_likelihoods: Array  # (rows,) of the residuals under the two laws, nats
    laws: Laws


def judge_targets(predictions: Array, targets: Array, laws: Laws | None = None) -> TargetSuspicion:
    """Suspicion of every row from predictions (rows,) that never saw it, by laws known before or found in them."""
    residuals = targets - predictions
    laws = laws or _find_laws(residuals)
    size = np.abs(residuals) / laws.scale
    right, wrong = norm.logpdf(size), norm.logpdf(size, scale=OUTLIER_SCALE)
    likelihoods = np.logaddexp(np.log1p(-laws.wrong_rate) + right, np.log(laws.wrong_rate) + wrong) - np.log(laws.scale)
    return TargetSuspicion(size, _posterior(right - wrong, laws.wrong_rate), likelihoods, laws)


def batch_laws(residuals: Array, scale: float, usual_rate: float, usual_rows: float) -> Laws:
    """The laws of a batch: a scale known before, its own rate of wrong targets beside pseudo-rows of the usual one."""
    size, rate = np.abs(residuals) / scale, usual_rate
    odds = norm.logpdf(size) - norm.logpdf(size, scale=OUTLIER_SCALE)
    for _ in range(ROUNDS):
        wrong = _posterior(odds, rate).sum() + usual_rows * usual_rate
        rate = float(np.clip(wrong / (len(size) + usual_rows), 1e-4, 0.5))
    return Laws(scale, rate)


def _find_laws(residuals: Array) -> Laws:
    scale = 1.4826 * float(np.median(np.abs(residuals)))
    if scale <= 0:
        scale = float(np.abs(residuals).mean()) or 1.0
    size, rate = np.abs(residuals) / scale, 0.05
    odds = norm.logpdf(size) - norm.logpdf(size, scale=OUTLIER_SCALE)
    for _ in range(ROUNDS):
        rate = float(np.clip(_posterior(odds, rate).mean(), 1e-4, 0.5))
    return Laws(scale, rate)


def _posterior(log_odds: Array, rate: float) -> Array:
    """P(wrong) from the log-odds of the right law, (rows,)."""
    posterior: Array = 1 / (1 + np.exp(np.clip(log_odds, -700, 700)) * (1 - rate) / rate)
    return posterior
