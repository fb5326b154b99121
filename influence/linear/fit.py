"""The optimum of a linear model: mean loss + sum of penalty * weights^2 / 2.

Small models by Newton's method with the exact Hessian. Many rows are not needed to know the Hessian well enough: the
model is first fitted on a sample, whose inverse Hessian then turns cheap full gradients (the chord method) for as
long as that shrinks them. Large models by scipy's L-BFGS.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from culpa.influence.linear.exact import solver_of
from culpa.influence.linear.problem import Problem

__all__ = ["fit_weights"]

Weights = NDArray[np.float64]  # (outputs, features + 1), the intercept last
Solve = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # with a Hessian of the summed loss, (parameters,)

SAMPLE_OF = 5  # every fifth row settles the Hessian well enough to start from,
LEAST_SAMPLE = 4_000  # as long as these are left
NEWTON_PARAMETERS = 3_000  # above it an inverse costs more than the L-BFGS iterations it saves
MOST_STEPS = 100
DIGITS = 22.0  # nats by which a gradient has to shrink until the end of the search, and as much again
MOST_SHRINK = 0.85
OLD = 0.1  # of the tolerance, after a step with an old Hessian: a fresh one ends far below where it had to


def fit_weights(
    problem: Problem,
    start: Weights | None = None,
    slack: float = 1.0,
    *,
    inverse: NDArray[np.float64] | None = None,
) -> Weights:
    """Weights at the optimum, (outputs, features + 1). `slack` times the usual tolerance of L-BFGS serves a search.

    `inverse` is that of the summed loss's Hessian at `start`, where it is known well enough to take steps with.

    Newton's method ends with a largest gradient below 1e-6 (float32) or 1e-9 (float64), L-BFGS where rounding no longer
    lets the loss fall: near 1e-5 or 1e-7, which moves scores in their third digit.
    """
    shape = (problem.head.outputs, len(problem.penalty))
    weights = np.zeros(shape) if start is None else start.copy()
    if weights.size > NEWTON_PARAMETERS:
        return _quasi_newton(problem, weights, slack)
    if inverse is not None:
        return _newton(problem, weights, partial(np.matmul, inverse))
    if len(problem) >= SAMPLE_OF * LEAST_SAMPLE:
        sample = problem.every(SAMPLE_OF)
        weights = fit_weights(sample, weights)
        share, solve = len(sample) / len(problem), solver_of(sample, weights)
        return _newton(problem, weights, lambda right: share * solve(right))
    return _newton(problem, weights, None)


def _tolerance(problem: Problem) -> float:
    return 1e-9 if problem.features.dtype == np.float64 else 1e-6


def _newton(problem: Problem, weights: Weights, solve: Solve | None) -> Weights:
    """Newton's method; an old Hessian serves for as long as its steps shrink the gradient well."""
    enough = _enough(problem, weights)
    loss, gradient = problem.objective(weights)
    fresh = False
    for _ in range(MOST_STEPS):
        size = np.abs(gradient).max()
        if size < _tolerance(problem) * (1.0 if fresh else OLD):
            break
        fresh = solve is None
        if solve is None:
            solve = solver_of(problem, weights)
        step = len(problem) * solve(gradient.ravel()).reshape(weights.shape)
        moved = _descend(problem, weights, step, loss, enough * size)
        if moved is None and fresh:
            break  # rounding is all that is left to gain
        if moved is not None:
            weights, loss, gradient = moved
        if moved is None or np.abs(gradient).max() > enough * size:
            solve = None
    return weights


def _enough(problem: Problem, weights: Weights) -> float:
    """By which factor a step must shrink the gradient to be cheaper, all its like together, than a new Hessian.

    A Hessian costs about outputs^2 / 2 * width^2 operations a row and 3 * parameters^3, a gradient about twelve times
    outputs * width a row.
    """
    outputs, width = weights.shape
    hessian = outputs * (outputs + 1) / 2 * width**2 + 3 * weights.size**3 / len(problem)
    return min(MOST_SHRINK, float(np.exp(-DIGITS * 12 * weights.size / hessian)))


def _descend(
    problem: Problem, weights: Weights, step: Weights, loss: float, enough: float
) -> tuple[Weights, float, Weights] | None:
    """The first of the steps 1, 1/2, 1/4 ... that lowers the loss, or the gradient enough; None when none does."""
    for halvings in range(12):
        tried = weights - step / 2**halvings
        new_loss, gradient = problem.objective(tried)
        if new_loss < loss or np.abs(gradient).max() < enough:
            return tried, new_loss, gradient
    return None


def _quasi_newton(problem: Problem, weights: Weights, slack: float) -> Weights:
    """L-BFGS for models whose Hessian is too large to factorise at every step."""

    def value(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        loss, gradient = problem.objective(flat.reshape(weights.shape))
        return loss, gradient.ravel()

    ends = {"gtol": slack * _tolerance(problem), "ftol": slack**3 * 1e-12}
    options = {"maxiter": 1_000, "maxfun": 2_000, **ends}
    found = minimize(value, weights.ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x, np.float64).reshape(weights.shape)
