"""The curvature of what a scikit-learn model minimised: its losses and its own penalty, which leaves intercepts free.

    H = Gauss-Newton matrix of the mean loss + l2 on every weight, nothing on the biases

A damping meets biases like weights. Where a penalty is strong that is another model: of a LogisticRegression at C = 0.1
on 150 rows influence with damping ranks as refits without the row do at .81 to .97, with this curvature at .995 and
more. For models small enough to be written out. A millionth of the mean curvature holds up what no loss sees.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from culpa.influence.curvature import fit_dense
from culpa.influence.curvature.dense import Dense, cholesky
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.scikit import as_network, damping_of

__all__ = ["fit_penalised"]

HELD_UP = 1e-6  # of the mean curvature


def fit_penalised(estimator: Any, batches: Sequence[Batch]) -> Dense:
    """H over the rows that a fitted estimator was trained on. Errors: as `as_network`, `damping_of` and `fit_dense`."""
    module, objective = as_network(estimator)
    plain = fit_dense(module, objective, batches, seed=0, damping=1.0)
    matrix = plain.factor @ plain.factor.T
    matrix.diagonal().sub_(1.0)
    l2, held_up = (
        damping_of(estimator, sum(len(batch[0]) for batch in batches)),
        HELD_UP * float(matrix.diagonal().mean()),
    )
    layers = [module.get_submodule(name) for name in plain.sizes]
    penalties = [_penalties(layer, l2) for layer in layers]
    matrix.diagonal().add_(torch.cat(penalties) + held_up)
    return replace(plain, factor=cholesky(matrix, held_up), added=held_up)


def _penalties(layer: torch.nn.Module, l2: float) -> torch.Tensor:
    """Of each parameter of a Linear layer, laid out as its gradients are: a row's weights, then its bias."""
    assert isinstance(layer, torch.nn.Linear)
    weights = torch.full_like(layer.weight.detach(), l2)
    return (weights if layer.bias is None else torch.cat([weights, torch.zeros_like(weights[:, :1])], dim=1)).flatten()
