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

__all__ = ["TargetSuspicion", "judge_targets"]

OUTLIER_SCALE = 10.0
ROUNDS = 60


@dataclass(frozen=True)
class TargetSuspicion:
    """What is to be thought of each row's target; high = suspicious."""

    suspicion: Array  # (rows,) absolute studentised residual
    probability_wrong: Array  # (rows,) in [0, 1]
    log_likelihoods: Array  # (rows,) of the residuals under the two laws, nats
    scale: float  # of right targets' residuals, in target units
    wrong_rate: float


def judge_targets(predictions: Array, targets: Array) -> TargetSuspicion:
    """Suspicion of every row from predictions (rows,) that never saw it."""
    residuals = targets - predictions
    scale = 1.4826 * float(np.median(np.abs(residuals)))
    if scale <= 0:
        scale = float(np.abs(residuals).mean()) or 1.0
    size = np.abs(residuals) / scale
    right, wrong = norm.logpdf(size), norm.logpdf(size, scale=OUTLIER_SCALE)
    rate = 0.05
    for _ in range(ROUNDS):
        posterior = 1 / (1 + np.exp(np.clip(right - wrong, -700, 700)) * (1 - rate) / rate)
        rate = float(np.clip(posterior.mean(), 1e-4, 0.5))
    likelihoods = np.logaddexp(np.log1p(-rate) + right, np.log(rate) + wrong) - np.log(scale)
    return TargetSuspicion(size, posterior, likelihoods, scale, rate)
