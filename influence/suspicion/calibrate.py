"""Calibrated to the truth, not to the labels: one temperature and one rate of wrong labels, found together.

A proxy trained on labels of which a share e is wrong looks unsure even where it knows better: its plain temperature
would learn the noise. So the given label is modelled as P(given = y | x) = (1 - e) p_y + e (1 - p_y) / (C - 1) with p
= softmax(t log P), and t and e are those of greatest likelihood on the given labels, P being out of sample. What
remains is p, the true label's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

Array = NDArray[np.float64]

__all__ = ["Calibration", "calibrate", "sharpen"]

LEAST_PROBABILITY = 1e-4  # a proxy's zero is no proof: forests and neighbours count only so many votes
RATES = np.array([0.001, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5])
BOUNDS = (-2.0, 3.0)  # of log t
MOST_ENTRIES = 200_000  # rows times classes: two numbers need no more; of more rows every k-th counts


@dataclass(frozen=True)
class Calibration:
    """How much a proxy's log-probabilities are sharpened, and the rate of wrong labels that goes with it."""

    sharpening: float  # t above: 1 = calibrated as it came, above 1 = was too unsure
    wrong_rate: float  # e above
    log_likelihood: float  # mean over rows, nats, of the given labels


def sharpen(probabilities: Array, sharpening: float) -> Array:
    """softmax(sharpening * log probabilities), (rows, classes)."""
    sharpened: Array = np.exp(log_softmax(sharpening * _logs(probabilities), axis=1))
    return sharpened


def calibrate(probabilities: Array, labels: NDArray[np.int64]) -> Calibration:
    """The sharpening of greatest likelihood. `probabilities` (rows, classes) never saw their row's own label."""
    every = slice(None, None, max(1, probabilities.size // MOST_ENTRIES))
    logs, labels = _logs(probabilities[every]), labels[every]
    return max((_at_rate(logs, labels, rate) for rate in RATES), key=lambda found: found.log_likelihood)


def _logs(probabilities: Array) -> Array:
    floored = probabilities.clip(LEAST_PROBABILITY)
    return np.log(floored / floored.sum(axis=1, keepdims=True))


def _at_rate(logs: Array, labels: NDArray[np.int64], rate: float) -> Calibration:
    """The best sharpening when a share `rate` of the labels is wrong."""
    rows, classes = np.arange(len(labels)), logs.shape[1]

    def loss(log_sharpening: float) -> float:
        sharp = np.exp(log_sharpening) * logs
        own = np.exp(sharp[rows, labels] - logsumexp(sharp, axis=1))
        return float(-np.log((1 - rate) * own + rate * (1 - own) / (classes - 1)).mean())

    found = minimize_scalar(loss, bounds=BOUNDS, method="bounded", options={"xatol": 0.01})
    return Calibration(float(np.exp(found.x)), float(rate), -float(found.fun))
