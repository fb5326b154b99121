"""The linear model written out, for oracles: every gradient, the whole Hessian, Newton's method down to rounding.

Nothing here is shared with the package but the meaning of the penalty. Weights are (outputs, features + 1), the
intercept last; gradients are flat, (rows, outputs x (features + 1)).
"""

import numpy as np
from scipy.special import log_softmax, softmax

INTERCEPT = 0.01  # of the penalty on the other weights


def design(rows):
    return np.c_[rows.features.astype(np.float64), np.ones(len(rows))]


def outputs(rows, weights):
    return design(rows) @ weights.T


def losses(rows, weights):
    z = outputs(rows, weights)
    if not rows.classes:
        return (z[:, 0] - rows.labels) ** 2 / 2
    return -log_softmax(z, axis=1)[np.arange(len(rows)), rows.labels]


def residuals(rows, weights):
    z = outputs(rows, weights)
    return softmax(z, axis=1) - np.eye(rows.classes)[rows.labels] if rows.classes else z - rows.labels[:, None]


def gradients(rows, weights):
    return np.einsum("mk,mw->mkw", residuals(rows, weights), design(rows)).reshape(len(rows), -1)


def row_curvatures(rows, weights):
    """S of every row: (rows, outputs, outputs)."""
    if not rows.classes:
        return np.ones((len(rows), 1, 1))
    p = softmax(outputs(rows, weights), axis=1)
    return p[:, :, None] * np.eye(rows.classes) - p[:, :, None] * p[:, None]


def penalty_of(rows, strength):
    """Penalty of every weight on the *sum* of the losses, flat; `strength` is rows x l2."""
    one = np.full(rows.features.shape[1] + 1, strength)
    one[-1] *= INTERCEPT
    return np.tile(one, max(rows.classes, 1))


def dense_hessian(rows, weights, strength):
    """Hessian of the summed loss and penalty."""
    x = design(rows)
    whole = np.einsum("mkl,mv,mw->kvlw", row_curvatures(rows, weights), x, x, optimize=True)
    return whole.reshape(weights.size, weights.size) + np.diag(penalty_of(rows, strength))


def refit(rows, strength, start):
    """Weights at the optimum of the summed loss and penalty, to rounding.

    The Hessian is made anew only when a step with the old one no longer shrinks the gradient tenfold.
    """
    weights, penalty, last, inverse = start.copy(), penalty_of(rows, strength), np.inf, None
    for _ in range(100):
        gradient = gradients(rows, weights).sum(axis=0) + penalty * weights.ravel()
        size = np.abs(gradient).max()
        if size < 1e-10 or (size > last / 2 and size < 1e-8):
            break
        if inverse is None or size > last / 10:
            inverse = np.linalg.inv(dense_hessian(rows, weights, strength))
        weights, last = weights - (inverse @ gradient).reshape(weights.shape), size
    return weights


def but(rows, *positions):
    """The rows without these."""
    kept = np.ones(len(rows), np.bool_)
    kept[list(positions)] = False
    return rows.take(kept)


def refit_weighed(rows, strength, start, row, weight):
    """The optimum with one row's loss weighed, by Newton's method."""
    weighing = np.ones(len(rows))
    weighing[row] = weight
    weights, penalty = start.copy(), penalty_of(rows, strength)
    for _ in range(20):
        gradient = weighing @ gradients(rows, weights) + penalty * weights.ravel()
        whole = dense_hessian(rows, weights, strength)
        whole += (weight - 1) * (dense_hessian(rows.take([row]), weights, strength) - np.diag(penalty))
        weights = weights - np.linalg.solve(whole, gradient).reshape(weights.shape)
    return weights
