"""Loss heads: what turns linear outputs z into a loss, its residual and its curvature.

softmax   loss = -log p_y,        residual r = p - e_y,  curvature S = diag(p) - p p'
squared   loss = (z - y)^2 / 2,   residual r = z - y,    curvature S = 1

The gradient of a row's loss in the weights is the outer product r x', its Hessian S (x) x x'. Both are kept in these
factors and never written out. Symmetric C x C matrices are packed: one column per pair k <= l, in the order of `pairs`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

LEAST_EXPONENT, LEAST_EXPONENT_DOUBLE = -30.0, -200.0

Array = NDArray[Any]  # float32 or float64, as the features are

__all__ = [
    "Array",
    "Head",
    "Softmax",
    "Squared",
    "diagonal_curvatures",
    "head_for",
    "packed_form",
    "pair_weights",
    "pairs",
    "probabilities",
]


@cache
def pairs(outputs: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of each packed entry k <= l of a symmetric outputs x outputs matrix."""
    return np.triu_indices(outputs)


def pair_weights(outputs: int) -> Array:
    """1 on the diagonal, 2 off it: how often a packed entry counts in a sum over the whole matrix."""
    left, right = pairs(outputs)
    return np.where(left == right, 1.0, 2.0)


def packed_form(packed: Array, vectors: Array) -> Array:
    """v' A v of each row, A packed (rows, pairs), v (rows, outputs): (rows,)."""
    left, right = pairs(vectors.shape[1])
    products = vectors[:, left] * vectors[:, right]
    products *= packed
    return products @ pair_weights(vectors.shape[1]).astype(packed.dtype)


class Head(Protocol):
    """What the linear proxy needs to know of a loss. Arrays are (rows, outputs) unless said."""

    @property
    def outputs(self) -> int:
        """Scores per row."""

    def losses(self, scores: Array, labels: Array) -> Array:
        """Loss of each row, (rows,), nats for softmax."""

    def residuals(self, scores: Array, labels: Array) -> Array:
        """Gradient of each row's loss in its scores."""

    def losses_and_residuals(self, scores: Array, labels: Array) -> tuple[Array, Array]:
        """Both at the price of one."""

    def curvatures(self, scores: Array) -> Array:
        """Packed Hessian S of each row's loss in its scores, (rows, outputs (outputs + 1) / 2)."""

    def curvature_factors(self, scores: Array) -> tuple[Array, Array]:
        """a and b of S = diag(a) - b b'."""

    def turns(self, scores: Array, along: Array) -> Array:
        """Packed derivative of S as the scores move along `along`, (rows, outputs (outputs + 1) / 2)."""


@dataclass(frozen=True)
class Softmax:
    """Multinomial logistic loss; one score per class."""

    outputs: int

    def losses(self, scores: Array, labels: Array) -> Array:
        return self.losses_and_residuals(scores, labels)[0]

    def residuals(self, scores: Array, labels: Array) -> Array:
        return self.losses_and_residuals(scores, labels)[1]

    def losses_and_residuals(self, scores: Array, labels: Array) -> tuple[Array, Array]:
        rows = np.arange(len(labels))
        shifted = scores - scores.max(axis=1, keepdims=True)
        own = shifted[rows, labels]
        _exponentials(shifted)
        total = shifted @ np.ones(self.outputs, shifted.dtype)
        shifted /= total[:, None]
        shifted[rows, labels] -= 1
        return np.log(total) - own, shifted

    def curvatures(self, scores: Array) -> Array:
        p = probabilities(scores)
        left, right = pairs(self.outputs)
        packed = -p[:, left] * p[:, right]
        packed[:, left == right] += p
        return packed

    def curvature_factors(self, scores: Array) -> tuple[Array, Array]:
        p = probabilities(scores)
        return p, p

    def turns(self, scores: Array, along: Array) -> Array:
        p = probabilities(scores)
        moved = p * (along - np.einsum("mk,mk->m", p, along)[:, None])
        left, right = pairs(self.outputs)
        packed = -p[:, left] * moved[:, right] - moved[:, left] * p[:, right]
        packed[:, left == right] += moved
        return packed


@dataclass(frozen=True)
class Squared:
    """Half the squared error of one output: ridge regression."""

    outputs: int = 1

    def losses(self, scores: Array, labels: Array) -> Array:
        return (scores[:, 0] - labels) ** 2 / 2

    def residuals(self, scores: Array, labels: Array) -> Array:
        return scores - labels[:, None].astype(scores.dtype)

    def losses_and_residuals(self, scores: Array, labels: Array) -> tuple[Array, Array]:
        return self.losses(scores, labels), self.residuals(scores, labels)

    def curvatures(self, scores: Array) -> Array:
        return np.ones_like(scores)

    def curvature_factors(self, scores: Array) -> tuple[Array, Array]:
        return np.ones_like(scores), np.zeros_like(scores)

    def turns(self, scores: Array, along: Array) -> Array:
        return np.zeros_like(scores)


def head_for(classes: int) -> Head:
    """Softmax over `classes` classes, or the squared head when there are none (regression)."""
    return Softmax(classes) if classes else Squared()


def diagonal_curvatures(head: Head, scores: Array) -> Array:
    """The diagonal of S alone, (rows, outputs)."""
    a, b = head.curvature_factors(scores)
    return a - b * b


def probabilities(scores: Array) -> Array:
    """Softmax over the last axis, in the dtype of the scores."""
    shifted = _exponentials(scores - scores.max(axis=-1, keepdims=True))
    shifted /= (shifted @ np.ones(scores.shape[-1], shifted.dtype))[..., None]
    return shifted


def _exponentials(shifted: Array) -> Array:
    """exp of scores whose largest is nought, in place; far below rounding it is held at a floor.

    Without it products of two probabilities fall among the denormal numbers, which matrix products crawl over.
    """
    floor = LEAST_EXPONENT if shifted.dtype == np.float32 else LEAST_EXPONENT_DOUBLE
    np.maximum(shifted, floor, out=shifted)
    return np.asarray(np.exp(shifted, out=shifted))
