"""Softmax regression on the digits at its optimum, and what taking rows out of it really does.

Pixels in [0, 1] and a column of ones; the mean cross-entropy and l2 / 2 * weights^2 over all weights, so that l2 is the
very damping that the exact curvature needs; or, with a free intercept, the linear proxy's own penalty. 60, 20 and 20 %
of the rows train, choose and test by `default_rng(1000 + seed).permutation`; the middle part is left alone.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from torch import nn

from culpa.influence.network import Checkpoint, Recipe, Training
from tests.benchmarks.cases import Array, load, scale

__all__ = ["CLASSES", "Regression", "fit", "removals", "rows", "training_of"]

CLASSES = 10
ROUNDING = 1e-11  # of the gradient of the mean loss
MOST_STEPS = 400


@dataclass(frozen=True)
class Regression:
    """A softmax regression on its training rows."""

    features: Array  # (rows, pixels + 1), the last column 1
    labels: Array  # (rows,)
    penalty: Array  # (pixels + 1,) on the mean loss
    weights: Array  # (classes, pixels + 1)


def rows(seed: int, most: int | None = None) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Pixels and labels of the training and of the test rows; `most` keeps fewer, for a quick try."""
    raw, labels = load("digits")
    pixels, order = scale("digits", raw), np.random.default_rng(1000 + seed).permutation(len(labels))
    training, test = order[: int(0.6 * len(order))][:most], order[int(0.8 * len(order)) :][:most]
    return (pixels[training], labels[training]), (pixels[test], labels[test])


def fit(pixels: Array, labels: Array, penalty: Array) -> Regression:
    """The optimum by Newton's method, down to rounding."""
    features, weights = with_ones(pixels), np.zeros((CLASSES, pixels.shape[1] + 1))
    for _ in range(MOST_STEPS):
        step = gradient(features, labels, weights, penalty)
        if np.abs(step).max() < ROUNDING:
            break
        weights = weights - (inverse_hessian(features, weights, penalty) @ step.ravel()).reshape(weights.shape)
    return Regression(features, labels, penalty, weights)


def removals(regression: Regression, gone: Array, test: tuple[Array, Array]) -> Array:
    """Rise of each test row's loss when a row is taken out, (removed rows, test rows), nats: exact refits.

    All start at the whole optimum and go by its Hessian, made once, which is next to theirs. Errors: RuntimeError for
    rows whose refit does not end.
    """
    after = _refits(regression, gone)
    features, labels = with_ones(test[0]), test[1]
    return np.array([losses(features, labels, one) for one in after]) - losses(features, labels, regression.weights)


def _refits(regression: Regression, gone: Array) -> Array:
    """Weights without each row, (removed rows, classes, pixels + 1); the others' weight of 1 / rows stays."""
    features, labels, penalty = regression.features, regression.labels, regression.penalty
    inverse = inverse_hessian(features, regression.weights, penalty)
    after, going = np.repeat(regression.weights[None], len(gone), axis=0), np.arange(len(gone))
    for _ in range(MOST_STEPS):
        now = after[going]
        errors = softmax(features @ now.transpose(0, 2, 1), axis=2) - np.eye(CLASSES)[labels]
        errors[np.arange(len(going)), gone[going]] = 0
        gradients = errors.transpose(0, 2, 1) @ features / len(features) + penalty * now
        after[going] = now - (gradients.reshape(len(going), -1) @ inverse).reshape(now.shape)
        going = going[np.abs(gradients).max(axis=(1, 2)) > ROUNDING]
        if not len(going):
            return after
    raise RuntimeError(f"{len(going)} of {len(gone)} refits did not end in {MOST_STEPS} steps: raise the penalty")


def training_of(regression: Regression) -> Training:
    """The same as a float32 torch module with its rows; one checkpoint, at a learning rate of 1."""
    module = nn.Sequential(nn.Linear(regression.features.shape[1] - 1, CLASSES))
    weights = torch.as_tensor(regression.weights, dtype=torch.float32)
    module.load_state_dict({"0.weight": weights[:, :-1].contiguous(), "0.bias": weights[:, -1].contiguous()})
    checkpoint = Checkpoint(module.state_dict(), 1.0)
    recipe = Recipe(lambda: module, rate=1.0, epochs=1, l2=float(regression.penalty[0]))
    data = tensors(regression.features[:, :-1], regression.labels)
    return Training(recipe, data, 0, module.eval(), (checkpoint,))


def tensors(pixels: Array, labels: Array) -> list[torch.Tensor]:
    """Pixels in float32 and labels."""
    return [torch.as_tensor(pixels, dtype=torch.float32), torch.as_tensor(labels, dtype=torch.int64)]


def with_ones(pixels: Array) -> Array:
    """Pixels and a column of ones."""
    return np.c_[pixels, np.ones(len(pixels))]


def losses(features: Array, labels: Array, weights: Array) -> Array:
    """Cross-entropy of each row, (rows,), nats."""
    return -log_softmax(features @ weights.T, axis=1)[np.arange(len(labels)), labels]  # type: ignore[no-any-return]


def gradient(features: Array, labels: Array, weights: Array, penalty: Array) -> Array:
    """Of the mean loss and the penalty, (classes, pixels + 1)."""
    errors = softmax(features @ weights.T, axis=1) - np.eye(CLASSES)[labels]
    return errors.T @ features / len(features) + penalty * weights  # type: ignore[no-any-return]


def inverse_hessian(features: Array, weights: Array, penalty: Array) -> Array:
    """Inverse of the Hessian of the mean loss and the penalty, over the flat weights."""
    p = softmax(features @ weights.T, axis=1)
    curvatures = p[:, :, None] * np.eye(CLASSES) - p[:, :, None] * p[:, None]
    blocks = [[(features * curvatures[:, k, j, None]).T @ features for j in range(CLASSES)] for k in range(CLASSES)]
    return np.linalg.inv(np.block(blocks) / len(features) + np.diag(np.tile(penalty, CLASSES)))
