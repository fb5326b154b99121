"""Confident learning: which labels a model is sure are others, by thresholds that each class sets for itself.

The threshold of class j is the mean P(j) over the rows labelled j. A row counts in the confident joint at (given label,
k) if P(k) reaches the threshold of k, k the likeliest such class; a row that reaches none counts nowhere. A baseline:
it knows no calibration and no noise model, and is hard to beat. Source: Northcutt, Jiang & Chuang 2021, section 3.1.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["confident_joint", "normalized_margin", "off_diagonal"]

Array = NDArray[np.float64]


def confident_joint(probabilities: Array, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts (given classes, confident classes) from out-of-sample probabilities (rows, classes).

    >>> confident_joint(np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.95, 0.05]]), np.array([0, 0, 1, 1])).tolist()
    [[1, 0], [1, 1]]
    """
    confident = _confident(probabilities, labels)
    classes = probabilities.shape[1]
    counted = confident >= 0
    joint = np.bincount(labels[counted] * classes + confident[counted], minlength=classes**2)
    return joint.reshape(classes, classes)


def off_diagonal(probabilities: Array, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows whose confident class is another than the given one: (rows,)."""
    confident = _confident(probabilities, labels)
    return (confident >= 0) & (confident != labels)


def normalized_margin(probabilities: Array, labels: NDArray[np.int64]) -> Array:
    """Label quality in [0, 1], low = suspicious: half of 1 + P(given) - P(likeliest other class). (rows,)"""
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    margins: Array = (1 + probabilities[rows, labels] - others.max(axis=1)) / 2
    return margins


def _confident(probabilities: Array, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each row's likeliest class among those that reach their thresholds; -1 if none does."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, probabilities[np.arange(len(labels)), labels], minlength=classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        thresholds = np.where(counts > 0, sums / counts, np.inf)  # a class without rows is nobody's
    reached = np.where(probabilities >= thresholds, probabilities, -np.inf)
    return np.where(np.isfinite(reached.max(axis=1)), reached.argmax(axis=1), -1)
