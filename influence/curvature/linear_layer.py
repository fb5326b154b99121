"""The one Linear layer whose scores a loss is taken of: its weights, its loss, and its inputs batch by batch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from culpa.influence.curvature.curvature import check_finite
from culpa.influence.gradients import Classification, Outer, Regression, Rowwise, capture
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.modes import evaluating
from culpa.influence.gradients.objective import Objective
from culpa.influence.linear.heads import Array, Head, Softmax, Squared

__all__ = ["LinearLayer", "linear_layer"]

INSTEAD = "take fit_dense for a small model, fit_ekfac for a large one"


@dataclass(frozen=True)
class LinearLayer:
    """A layer whose outputs are the module's own."""

    module: nn.Module
    objective: Classification | Regression
    name: str
    weights: NDArray[np.float64]  # (outputs, width), the bias last where there is one
    head: Head

    def inputs(self, batch: Batch) -> Array:
        """What the layer reads, (rows, width). Errors: ValueError where its scores are not those of the module."""
        layer = capture(self.module, self.objective.losses, batch, [self.name]).layers[self.name]
        assert isinstance(layer, Outer)
        check_finite(f"layer {self.name!r}", layer.inputs)
        inputs = layer.inputs.flatten(0, 1).cpu().numpy()
        own, scores = inputs @ self.weights.T, self._scores(batch)
        if own.shape != scores.shape or not np.allclose(own, scores, rtol=0, atol=self._rounding(scores)):
            raise ValueError(
                f"layer {self.name!r} does not give the scores that the loss is taken of, so their Hessian is not the "
                f"closed form: name the last layer in layers, or {INSTEAD}"
            )
        return inputs

    def _scores(self, batch: Batch) -> NDArray[np.float64]:
        objective = self.objective
        with evaluating(self.module), torch.no_grad():
            if isinstance(objective, Classification):
                scores = objective.scores(self.module, batch)
            else:
                scores = objective.predictions(self.module, batch)[:, None]
        return scores.double().cpu().numpy()

    def _rounding(self, scores: NDArray[np.float64]) -> float:
        """How far scores in the module's own precision may be off."""
        precision = next(self.module.get_submodule(self.name).parameters()).dtype
        return float(torch.finfo(precision).eps ** 0.5 * (1 + np.abs(scores).max(initial=0)))


def linear_layer(module: nn.Module, objective: Objective, gradients: Mapping[str, Rowwise]) -> LinearLayer:
    """The only layer that gradients came of. Errors: ValueError where the Hessian is no closed form."""
    if len(gradients) != 1:
        raise ValueError(
            f"the exact Hessian is that of one Linear layer, {len(gradients)} layers came: name the last alone, as in "
            f"layers=[{list(gradients)[-1]!r}], or {INSTEAD}"
        )
    ((name, _),) = gradients.items()
    layer = module.get_submodule(name)
    if not isinstance(layer, nn.Linear):
        raise ValueError(f"the exact Hessian is that of a Linear layer, {name!r} is {type(layer).__name__}: {INSTEAD}")
    if not isinstance(objective, Classification | Regression):
        raise ValueError(
            f"the exact Hessian is that of softmax or squared loss, {type(objective).__name__} came: {INSTEAD}"
        )
    head: Head = Softmax(layer.out_features) if isinstance(objective, Classification) else Squared()
    return LinearLayer(module, objective, name, _weights(layer), head)


def _weights(layer: nn.Linear) -> NDArray[np.float64]:
    parts: list[Tensor] = [layer.weight] if layer.bias is None else [layer.weight, layer.bias[:, None]]
    return torch.cat(parts, dim=1).detach().double().cpu().numpy()
