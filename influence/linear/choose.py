"""Which curvature fits in memory, decided before anything is allocated, and how far a cheaper one agrees with it.

The rule: exact while five copies of the (outputs x width)^2 Hessian fit, else class blocks while two copies of
outputs blocks of width^2 fit, else Kronecker. Five copies because the inverse, the two forms of the reference rows and
what they are made from stand side by side.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from culpa.influence.linear.diagonal import fit_class_blocks, fit_kronecker
from culpa.influence.linear.exact import fit_exact
from culpa.influence.linear.heads import Array
from culpa.influence.linear.problem import Problem, predict
from culpa.influence.linear.products import Forms, blocks, with_constant

__all__ = ["Curvature", "agreement", "curvature_form", "fit_curvature"]

AGREEMENT_ROWS = 32
AGREEMENT_STEPS = 60


class Curvature(Protocol):
    """The inverse Hessian of the summed loss, as far as a linear proxy needs it."""

    @property
    def form(self) -> str:
        """Name of the form: exact, class blocks, kronecker."""

    def solve(self, gradients: Array) -> Array:
        """H^-1 times each gradient: (..., outputs, width) to the same shape."""

    def forms(self, dtype: Any) -> Forms:
        """What gives G of each row: packed (rows, pairs), or its diagonal (rows, outputs)."""

    def own(self, forms: Array, residuals: Array) -> Array:
        """r' G r of each row, (rows,)."""


def curvature_form(outputs: int, width: int, memory: float) -> str:
    """Name of the most exact form whose memory stays within `memory` bytes."""
    if 5 * 8 * (outputs * width) ** 2 <= memory:
        return "exact"
    return "class blocks" if 2 * 8 * outputs * width**2 <= memory else "kronecker"


def fit_curvature(problem: Problem, weights: NDArray[np.float64], memory: float) -> Curvature:
    """The curvature of the summed loss at these weights, in the form that fits in `memory` bytes."""
    fits: dict[str, Callable[[Problem, NDArray[np.float64]], Curvature]] = {
        "exact": fit_exact,
        "class blocks": fit_class_blocks,
        "kronecker": fit_kronecker,
    }
    outputs, width = weights.shape
    return fits[curvature_form(outputs, width, memory)](problem, weights)


def agreement(problem: Problem, weights: NDArray[np.float64], curvature: Curvature) -> float:
    """Spearman correlation of this curvature's self-influence with the exact one, over a sample of rows.

    The exact one is solved for by conjugate gradients on exact Hessian products, this curvature as the preconditioner.
    """
    sample = np.linspace(0, len(problem) - 1, min(AGREEMENT_ROWS, len(problem))).astype(np.intp)
    features = problem.features[sample]
    residuals = problem.head.residuals(predict(features, weights), problem.labels[sample])
    gradients = residuals[:, :, None] * with_constant(features).T[:, None, :].astype(np.float64)
    exact = (gradients * _exact_solve(problem, weights, curvature, gradients)).sum(axis=(1, 2))
    approximate = (gradients * curvature.solve(gradients)).sum(axis=(1, 2))
    return float(spearmanr(exact, approximate).statistic)


def _exact_solve(problem: Problem, weights: NDArray[np.float64], curvature: Curvature, gradients: Array) -> Array:
    """H^-1 g for several gradients at once by preconditioned conjugate gradients."""
    solution, residual = np.zeros_like(gradients), gradients.copy()
    eased = curvature.solve(residual)
    direction, power = eased.copy(), (residual * eased).sum(axis=(1, 2))
    first = power.copy()
    for _ in range(AGREEMENT_STEPS):
        product = _hessian_product(problem, weights, direction)
        length = power / (direction * product).sum(axis=(1, 2)).clip(1e-300)
        solution += length[:, None, None] * direction
        residual -= length[:, None, None] * product
        eased = curvature.solve(residual)
        power, last = (residual * eased).sum(axis=(1, 2)), power
        if (power <= 1e-6 * first).all():
            break
        direction = eased + (power / last.clip(1e-300))[:, None, None] * direction
    return solution


def _hessian_product(problem: Problem, weights: NDArray[np.float64], vectors: Array) -> Array:
    """Exact Hessian of the summed penalised loss times each vector (vectors, outputs, width)."""
    product = len(problem) * problem.penalty * vectors
    count, outputs, width = vectors.shape
    for rows in blocks(len(problem), 4 * count * outputs):
        features = problem.features[rows]
        columns = with_constant(features)
        a, b = problem.head.curvature_factors(predict(features, weights))
        scores = (columns.T @ vectors.reshape(-1, width).T.astype(columns.dtype)).reshape(-1, count, outputs)
        curved = a[:, None] * scores - b[:, None] * (b[:, None] * scores).sum(axis=2, keepdims=True)
        product += (curved.reshape(len(features), -1).T @ columns.T).reshape(vectors.shape)
    return product
