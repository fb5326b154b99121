"""How labels are confused, learnt from the labels themselves, and how far to trust it.

T_kj = P(given label j | true label k), by expectation maximisation against calibrated out-of-sample probabilities p
of the true label (Dawid & Skene 1979, with p in place of the other annotators). Its full C (C - 1) entries are
trusted only as far as they explain the given labels better than one rate of wrong labels for all pairs: with g the
gain in log-likelihood per extra entry, T is shrunk to T^w times the uniform matrix^(1 - w), w = g / (1 + g).
Class-dependent noise gives a large g; noise that depends on the row gives none, and there a full T is known to hurt
(`tests/benchmarks/detection.py`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

__all__ = ["NoiseModel", "confusions", "fit_noise", "uniform_noise"]

ROUNDS = 60
PRIOR_ROWS = 1.0  # pseudo-rows per true class, spread over the given ones
LEAST_ROWS, ROWS_PER_ENTRY = 50_000, 500  # of many rows every k-th counts, so that at least these remain
USUAL_ROWS = 1_000  # pseudo-rows of what is usual beside the rows of a batch
LEAST_RATE = 0.01  # of wrong labels: real data sets have some (Northcutt et al. 2021 found 3.3 % on average)


@dataclass(frozen=True)
class NoiseModel:
    """P(given label | true label), and how well it explains the given labels."""

    matrix: Array  # (true classes, given classes), rows sum to 1
    trust: float  # w above, 0 = one rate for all pairs, towards 1 = the full matrix
    log_likelihood: float  # mean over rows, nats, of the given labels under the better of the two
    gain: float  # nats per extra entry that the full matrix gains over one rate


def fit_noise(probabilities: Array, labels: NDArray[np.int64]) -> NoiseModel:
    """The noise model of these labels, given calibrated out-of-sample probabilities (rows, classes) of the true one."""
    classes = probabilities.shape[1]
    every = slice(None, None, max(1, len(labels) // (ROWS_PER_ENTRY * classes**2 + LEAST_ROWS)))
    probabilities, labels = probabilities[every], labels[every]
    plain, full = uniform_noise(probabilities, labels), confusions(probabilities, labels)
    plain_likelihood = _log_likelihood(probabilities, labels, plain)
    full_likelihood = _log_likelihood(probabilities, labels, full)
    extra = max(classes * (classes - 1) - 1, 1)
    gain = max(full_likelihood - plain_likelihood, 0.0) * len(labels) / extra
    trust = gain / (1 + gain)
    mixed = np.exp(trust * np.log(full) + (1 - trust) * np.log(plain))
    mixed /= mixed.sum(axis=1, keepdims=True)
    return NoiseModel(mixed, trust, max(full_likelihood, plain_likelihood), gain)


def uniform_noise(probabilities: Array, labels: NDArray[np.int64]) -> Array:
    """One rate of wrong labels for all pairs of classes, by expectation maximisation: (classes, classes)."""
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    rate = 0.1
    for _ in range(ROUNDS):
        wrong = rate / (classes - 1) * (1 - own)
        rate = float(np.clip((wrong / (wrong + (1 - rate) * own)).mean(), LEAST_RATE, 0.9))
    return _matrix(rate, classes)


def confusions(probabilities: Array, labels: NDArray[np.int64]) -> Array:
    """The full matrix of confusions, by expectation maximisation, a pseudo-row per true class: (classes, classes)."""
    classes = probabilities.shape[1]
    given = np.eye(classes)[labels]
    prior = PRIOR_ROWS * _matrix(LEAST_RATE, classes)
    matrix = _matrix(0.1, classes)
    for _ in range(ROUNDS):
        joint = probabilities * matrix[:, labels].T
        counts = (joint / joint.sum(axis=1, keepdims=True)).T @ given + prior
        matrix = counts / counts.sum(axis=1, keepdims=True)
    return matrix


def batch_noise(probabilities: Array, labels: NDArray[np.int64], usual: Array) -> NoiseModel:
    """The noise model of a batch: its own confusions, with those that are `usual` as so many pseudo-rows.

    Its rows are judged by a model of accepted rows, whose labels say nothing of how often new labels are wrong.
    """
    classes = probabilities.shape[1]
    given = np.eye(classes)[labels]
    prior = USUAL_ROWS * probabilities.mean(axis=0)[:, None] * usual + 1e-9
    matrix = usual
    for _ in range(ROUNDS):
        joint = probabilities * matrix[:, labels].T
        counts = (joint / joint.sum(axis=1, keepdims=True)).T @ given + prior
        matrix = counts / counts.sum(axis=1, keepdims=True)
    return NoiseModel(matrix, 1.0, _log_likelihood(probabilities, labels, matrix), 0.0)


def _matrix(rate: float, classes: int) -> Array:
    """1 - rate on the diagonal, the rest spread evenly."""
    matrix = np.full((classes, classes), rate / (classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def _log_likelihood(probabilities: Array, labels: NDArray[np.int64], matrix: Array) -> float:
    """Mean over rows of log sum_k p_k T_k,given, nats."""
    return float(np.log((probabilities * matrix[:, labels].T).sum(axis=1)).mean())
