"""One linear model to fit: rows, labels, loss head and penalty, with its mean loss and gradient."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.heads import Array, Head
from culpa.influence.linear.products import blocks

__all__ = ["INTERCEPT_SHARE", "Problem", "penalties"]

INTERCEPT_SHARE = 0.01  # of the penalty on weights: the intercept stays nearly free, and the Hessian positive definite


def penalties(features: int, l2: float) -> NDArray[np.float64]:
    """Penalty on each weight of one output, the intercept's last. (features + 1,)."""
    if not (np.isfinite(l2) and l2 > 0):
        raise ValueError(
            f"l2 must be positive and finite, got {l2}: without it the softmax Hessian is singular (shifting all "
            "classes alike changes nothing); leave it out to have it chosen, or try 1e-3"
        )
    penalty = np.full(features + 1, l2)
    penalty[-1] *= INTERCEPT_SHARE
    return penalty


@dataclass(frozen=True)
class Problem:
    """Mean of the head's loss over the rows + sum of penalty * weights^2 / 2.

    Weights are (outputs, features + 1), the intercept last.
    """

    features: Array  # (rows, features), float32 or float64; products are computed in this precision, sums in float64
    labels: NDArray[Any]  # (rows,)
    head: Head
    penalty: NDArray[np.float64]  # (features + 1,)

    def __len__(self) -> int:
        return len(self.features)

    def every(self, step: int) -> "Problem":
        """The same problem on every step-th row."""
        return replace(self, features=self.features[::step], labels=self.labels[::step])

    def objective(self, weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The value minimised, nats, and its gradient in the weights."""
        loss, gradient = 0.0, np.zeros_like(weights)
        for rows in blocks(len(self), 4 * weights.shape[1] + 8 * self.head.outputs):
            features, labels = self.features[rows], self.labels[rows]
            scores = predict(features, weights)
            losses, residuals = self.head.losses_and_residuals(scores, labels)
            loss += float(losses.sum(dtype=np.float64))
            gradient[:, :-1] += residuals.T @ features
            gradient[:, -1] += residuals.sum(axis=0)
        loss = loss / len(self) + float((self.penalty * weights**2).sum()) / 2
        return loss, gradient / len(self) + self.penalty * weights


def predict(features: Array, weights: NDArray[np.float64]) -> Array:
    """Scores of each row, (rows, outputs), in the precision of the features."""
    narrow = weights.astype(features.dtype)
    scores: Array = features @ narrow[:, :-1].T + narrow[:, -1]
    return scores
