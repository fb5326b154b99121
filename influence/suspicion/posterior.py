"""A row's suspicion: the log-odds that another class is the true one.

P(true = k | row, given = y) is proportional to p_k T_ky. suspicion = max over k != y of log(p_k T_ky) - log(p_y
T_yy); above 0 means another class is likelier than the given one. probability_wrong = 1 - P(true = y | row, given =
y), so its sum over any set of rows is the number of wrong labels to expect there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from culpa.influence.suspicion.noise import NoiseModel

Array = NDArray[np.float64]

__all__ = ["Suspicion", "judge"]


@dataclass(frozen=True)
class Suspicion:
    """What is to be thought of each row's label; high = suspicious."""

    suspicion: Array  # (rows,) log-odds, nats
    probability_wrong: Array  # (rows,) in [0, 1]
    suggested: NDArray[np.int64]  # (rows,) likeliest other class
    suggested_probability: Array  # (rows,) its posterior probability


def judge(probabilities: Array, labels: NDArray[np.int64], noise: NoiseModel) -> Suspicion:
    """Suspicion of every row from calibrated out-of-sample probabilities (rows, classes) and the noise model."""
    rows = np.arange(len(labels))
    evidence = np.log(probabilities) + np.log(noise.matrix[:, labels].T)
    own = evidence[rows, labels].copy()
    posterior = np.exp(evidence - np.logaddexp.reduce(evidence, axis=1, keepdims=True))
    evidence[rows, labels] = -np.inf
    suggested = evidence.argmax(axis=1)
    return Suspicion(
        suspicion=evidence[rows, suggested] - own,
        probability_wrong=1 - posterior[rows, labels],
        suggested=suggested,
        suggested_probability=posterior[rows, suggested],
    )
