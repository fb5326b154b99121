"""Curvatures for when classes x features do not fit: no term between two classes.

class blocks  H ~ the blocks (k, k): sum_i S_i,kk x_i x_i' + rows * penalty, inverted one by one
Kronecker     H ~ diag(mean S_kk) (x) X'X + rows * penalty, one eigenbasis for all classes (Martens & Grosse 2015)

Both leave each row only the diagonal x' (H^-1)_kk x, a number per class. What they cost in accuracy is measured in
every run against the exact form (`choose.agreement`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from culpa.influence.linear.heads import Array, diagonal_curvatures
from culpa.influence.linear.problem import Problem, predict
from culpa.influence.linear.products import Forms, blocks, one_by_one, with_constant

__all__ = ["ClassBlockCurvature", "KroneckerCurvature", "fit_class_blocks", "fit_kronecker"]


@dataclass(frozen=True)
class ClassBlockCurvature:
    """The inverse of each class's own block of the Hessian."""

    inverses: Array  # (outputs, width, width)
    form = "class blocks"

    def solve(self, gradients: Array) -> Array:
        """H^-1 times each gradient: (..., outputs, width) to the same shape."""
        return np.einsum("...kw,kwv->...kv", gradients, self.inverses, optimize=True)

    def forms(self, dtype: Any) -> Forms:
        """x' (H^-1)_kk x of each row: (rows, outputs)."""
        return one_by_one(self.inverses, dtype)

    def own(self, forms: Array, residuals: Array) -> Array:
        """Sum over classes of r_k^2 G_kk: each row's self-influence. (rows,)."""
        return np.einsum("mk,mk,mk->m", residuals, residuals, forms)


@dataclass(frozen=True)
class KroneckerCurvature:
    """One eigenbasis of the features for all classes, and an inverse eigenvalue for each pair of both."""

    basis: Array  # (width, width), eigenvectors as columns
    inverse_values: Array  # (outputs, width)
    form = "kronecker"

    def solve(self, gradients: Array) -> Array:
        """H^-1 times each gradient: (..., outputs, width) to the same shape."""
        return ((gradients @ self.basis) * self.inverse_values) @ self.basis.T

    def forms(self, dtype: Any) -> Forms:
        """x' (H^-1)_kk x of each row: (rows, outputs)."""
        turn, values = self.basis.T.astype(dtype), self.inverse_values.T.astype(dtype)
        return lambda columns: ((turn @ columns) ** 2).T @ values

    def own(self, forms: Array, residuals: Array) -> Array:
        """Sum over classes of r_k^2 G_kk: each row's self-influence. (rows,)."""
        return np.einsum("mk,mk,mk->m", residuals, residuals, forms)


def fit_class_blocks(problem: Problem, weights: NDArray[np.float64]) -> ClassBlockCurvature:
    """The class-block curvature of the summed loss at these weights."""
    outputs, width = weights.shape
    total = np.zeros((outputs, width, width))
    for columns, curvatures in _blocks(problem, weights):
        for k in range(outputs):
            total[k] += (columns * curvatures[:, k]) @ columns.T
    for block in total:
        block[np.diag_indices(width)] += len(problem) * problem.penalty
        block[:] = cho_solve(cho_factor(block), np.eye(width))
    return ClassBlockCurvature(total)


def fit_kronecker(problem: Problem, weights: NDArray[np.float64]) -> KroneckerCurvature:
    """The Kronecker curvature of the summed loss at these weights."""
    outputs, width = weights.shape
    moments, curvature = np.zeros((width, width)), np.zeros(outputs)
    for columns, curvatures in _blocks(problem, weights):
        moments += columns @ columns.T
        curvature += curvatures.sum(axis=0)
    values, basis = np.linalg.eigh(moments)
    damping = len(problem) * np.einsum("wv,w,wv->v", basis, problem.penalty, basis)
    return KroneckerCurvature(basis, 1 / (np.outer(curvature / len(problem), values.clip(0)) + damping))


def _blocks(problem: Problem, weights: NDArray[np.float64]) -> Iterator[tuple[Array, Array]]:
    """Features (width, rows) and diagonal curvatures (rows, outputs), block by block."""
    for rows in blocks(len(problem), 4 * weights.shape[1]):
        features = problem.features[rows]
        yield with_constant(features), diagonal_curvatures(problem.head, predict(features, weights))
