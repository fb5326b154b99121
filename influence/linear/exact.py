"""The exact curvature: the full Hessian of the loss, inverted once by Cholesky.

H = sum over rows of S_i (x) x_i x_i' + rows * penalty, a matrix of outputs x outputs blocks of width x width. All
that a row needs of H^-1 are the forms x' (H^-1)_kl x, an outputs x outputs matrix per row, which `products` gives in
one matrix product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lapack

from culpa.influence.linear.heads import Array, packed_form
from culpa.influence.linear.problem import Problem, predict
from culpa.influence.linear.products import (
    Forms,
    OuterSums,
    block_matrix,
    blocks,
    packed_blocks,
    packed_width,
    quadratic_forms,
    with_constant,
)

__all__ = ["ExactCurvature", "curvature_sum", "fit_exact", "hessian", "invert", "solver", "solver_of"]

Curving = Callable[[Array, Array], Array]  # scores and columns of a block -> a packed matrix per row, (rows, pairs)
Solve = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # with a Hessian of the summed loss, (parameters,)

SMALL = 2_000  # parameters


def curvature_sum(
    problem: Problem, weights: NDArray[np.float64], of: Curving, *, dtype: Any = None
) -> NDArray[np.float64]:
    """Sum over rows of A_i (x) x_i x_i' for packed A_i, by `of`: (outputs width, outputs width).

    Products are computed in the precision of the features, or in `dtype`; sums in float64.
    """
    outputs, width = weights.shape
    dtype = dtype or problem.features.dtype
    sums = OuterSums(width, outputs * (outputs + 1) // 2, dtype)
    for rows in blocks(len(problem), packed_width(width)):
        features = problem.features[rows].astype(dtype, copy=False)
        columns = with_constant(features)
        sums.add(columns, of(predict(features, weights), columns))
    return block_matrix(sums.total(), outputs)


def hessian(problem: Problem, weights: NDArray[np.float64], *, dtype: Any = None) -> NDArray[np.float64]:
    """Hessian of the summed loss plus rows * penalty, at these weights: (outputs width, outputs width)."""
    whole = curvature_sum(problem, weights, lambda scores, _: problem.head.curvatures(scores), dtype=dtype)
    whole[np.diag_indices_from(whole)] += len(problem) * np.tile(problem.penalty, len(weights))
    return whole


def solver_of(problem: Problem, weights: NDArray[np.float64]) -> Solve:
    """`solver` of the Hessian at these weights; in double precision where single does not see the penalty.

    Of a million rows, what float32 rounds off is more than a weak penalty, which alone holds up some directions: above
    all what the weights of all classes share, which moves no score. At the optimum that is nought, and stays so here.
    """
    try:
        solve = solver(hessian(problem, weights))
    except ValueError:
        solve = solver(hessian(problem, weights, dtype=np.float64))
    if len(weights) == 1 or problem.features.dtype == np.float64:
        return solve

    def apart(right: NDArray[np.float64]) -> NDArray[np.float64]:
        found = solve(right).reshape(len(weights), -1)
        return np.asarray(found - found.mean(axis=0)).ravel()

    return apart


def solver(whole: NDArray[np.float64]) -> Solve:
    """A function that solves with this Hessian, by its Cholesky factor; errors as of `invert`."""
    try:
        factor = cho_factor(whole, lower=True, overwrite_a=True)
    except (LinAlgError, ValueError) as error:
        raise _not_positive(whole, error) from error
    return lambda right: np.asarray(cho_solve(factor, right, check_finite=False), np.float64)


def invert(whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of a Hessian, or an error that names cause and cure.

    Small ones by numpy, whose threads the products have just warmed; large ones from the Cholesky factor, in a third
    of the operations.
    """
    try:
        if len(whole) <= SMALL:
            np.linalg.cholesky(whole)  # proves it positive definite
            return np.asarray(np.linalg.inv(whole), np.float64)
        inverse, failed = lapack.dpotri(cho_factor(whole, lower=True, overwrite_a=True)[0], lower=1, overwrite_c=1)
        if failed:
            raise LinAlgError(f"column {failed} of its factor vanishes")
    except (LinAlgError, ValueError) as error:
        raise _not_positive(whole, error) from error
    below = np.tril_indices_from(inverse, -1)
    inverse[below[1], below[0]] = inverse[below]
    return np.asarray(inverse, np.float64)


def _not_positive(whole: NDArray[np.float64], error: Exception) -> ValueError:
    return ValueError(
        f"the Hessian of {len(whole)} parameters is not positive definite ({error}): features that depend on each "
        "other and too small a penalty cause this; raise l2, or drop constant and duplicate columns"
    )


@dataclass(frozen=True)
class ExactCurvature:
    """H^-1 of the summed loss, whole."""

    inverse: NDArray[np.float64]  # (outputs width, outputs width)
    outputs: int
    form = "exact"

    def solve(self, gradients: Array) -> Array:
        """H^-1 times each gradient: (..., outputs, width) to the same shape."""
        flat = gradients.reshape(-1, len(self.inverse))
        return (flat @ self.inverse).reshape(gradients.shape)

    def blocks(self) -> Array:
        """The blocks (k, l), k <= l, of H^-1: (pairs, width, width)."""
        return packed_blocks(self.inverse, self.outputs)

    def forms(self, dtype: Any) -> Forms:
        """G of each row, packed: (rows, pairs)."""
        return quadratic_forms(self.blocks(), dtype)

    def blocks_between(self, moments: NDArray[np.float64]) -> Array:
        """The same of H^-1 F H^-1, for a matrix F on the parameters: (pairs, width, width)."""
        return packed_blocks(self.inverse @ moments @ self.inverse, self.outputs)

    def own(self, forms: Array, residuals: Array) -> Array:
        """r' G r of each row: its self-influence when `forms` are those of H^-1. (rows,)."""
        return packed_form(forms, residuals)


def fit_exact(problem: Problem, weights: NDArray[np.float64]) -> ExactCurvature:
    """The exact curvature of the summed loss at these weights."""
    try:
        inverse = invert(hessian(problem, weights))
    except ValueError:  # as in `solver_of`
        inverse = invert(hessian(problem, weights, dtype=np.float64))
    return ExactCurvature(inverse, problem.head.outputs)
