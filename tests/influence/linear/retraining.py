"""The truth about influence: train again without a row, many rows at once, and look at what changed.

Every removal is a model of its own, with the same penalty on the summed loss. All start at the fitted weights and go by
the Hessian of all rows, made once, until the gradient is down to rounding; the few that this leads nowhere are fitted
one by one by Newton's method.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_digits

from culpa.influence.rows import Rows
from tests.influence.linear import dense

ROUNDING = 1e-11  # of the gradient of the mean loss
MOST_STEPS = 250


@dataclass(frozen=True)
class Removals:
    """What removing each row really does: (removed rows,) each."""

    reference_loss: np.ndarray  # rise of the mean loss over the reference rows
    own_loss: np.ndarray  # rise of the row's own loss
    memorization: np.ndarray  # fall of P(own label)


def digits(training, wrong, seed):
    """Training rows of the digits, a share with a wrong label, and the rest as reference rows; scaled as one scale."""
    pixels, labels = load_digits(return_X_y=True)
    lit = pixels[:, pixels.std(axis=0) > 0]
    features = (lit - lit.mean(axis=0)) / np.sqrt(lit.var(axis=0).mean())
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(labels))
    features, labels = features[order], labels[order].astype(np.int64)
    flipped = (chance.random(len(labels)) < wrong) & (np.arange(len(labels)) < training)
    given = np.where(flipped, (labels + chance.integers(1, 10, len(labels))) % 10, labels)
    rows = Rows(features, given, 10, np.arange(len(labels)))
    return rows.take(slice(None, training)), rows.take(slice(training, None))


def remove_each(rows, reference, weights, strength, removed):
    """Retrain without each of these rows; `strength` is rows x l2, on the sum, and stays."""
    after = _retrain(rows, weights, strength, removed)
    x, own = dense.design(rows.take(removed)), rows.labels[removed]
    z = np.einsum("mw,mkw->mk", x, after)
    own_after = -log_softmax(z, axis=1)[np.arange(len(removed)), own]
    own_before = dense.losses(rows, weights)[removed]
    before = dense.losses(reference, weights).mean()
    reference_loss = np.array([dense.losses(reference, one).mean() for one in after]) - before
    return Removals(reference_loss, own_after - own_before, np.exp(-own_before) - np.exp(-own_after))


def _retrain(rows, weights, strength, removed):
    """Weights without each row: (removed rows, outputs, features + 1)."""
    x, one_hot = dense.design(rows), np.eye(rows.classes)[rows.labels]
    penalty = dense.penalty_of(rows, strength).reshape(weights.shape)
    inverse = np.linalg.inv(dense.dense_hessian(rows, weights, strength))
    after, going = np.repeat(weights[None], len(removed), axis=0), np.arange(len(removed))
    for _ in range(MOST_STEPS):
        now = after[going]
        p = softmax((x @ now.reshape(-1, x.shape[1]).T).reshape(len(x), len(going), -1), axis=2)
        residuals = p - one_hot[:, None]
        residuals[removed[going], np.arange(len(going))] = 0
        gradients = (residuals.reshape(len(x), -1).T @ x).reshape(now.shape) + penalty * now
        size = np.abs(gradients).max(axis=(1, 2)) / len(x)
        step = (gradients.reshape(len(going), -1) @ inverse).reshape(now.shape)
        after[going] = now - step
        going = going[size > ROUNDING]
        if not len(going):
            break
    for place in going:
        after[place] = dense.refit(dense.but(rows, removed[place]), strength, weights)
    return after
