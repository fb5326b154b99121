"""Products of a curvature with directions, without the curvature: what conjugate gradients need and nothing more.

Gauss-Newton: the gradients of each Fisher pass along the directions, and back as a weighted sum, two matrix products on
the factors. Hessian: the derivative of the gradient along the directions, by a second backward pass through the first,
several directions at once. Source: Schraudolph 2002; Pearlmutter 1994.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.curvature.curvature import Written
from culpa.influence.curvature.joined import in_precision
from culpa.influence.curvature.layout import to_parameters, to_written
from culpa.influence.curvature.passes import Passes
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.modes import evaluating
from culpa.influence.gradients.objective import Objective

__all__ = ["GaussNewtonProducts", "HessianProducts", "Products"]

TOGETHER = 32  # directions that one second backward pass takes

Products = Callable[[Written], dict[str, Tensor]]  # directions -> the mean curvature, undamped, times each, in double


@dataclass(frozen=True)
class GaussNewtonProducts:
    """The passes whose outer products add up to rows times the Gauss-Newton matrix; as precise as the directions."""

    passes: Passes
    rows: int

    def __call__(self, directions: Written) -> dict[str, Tensor]:
        """G d for every direction, (directions, parameters) by layer."""
        totals = {name: torch.zeros_like(written, dtype=torch.double) for name, written in directions.items()}
        for found in self.passes:
            layers = {name: in_precision(layer, directions[name].dtype) for name, layer in found.layers.items()}
            along = torch.stack([layer.along(directions[name]) for name, layer in layers.items()]).sum(0)
            for name, layer in layers.items():
                totals[name] += layer.weighed(along.T)
        return {name: total / self.rows for name, total in totals.items()}


@dataclass(frozen=True)
class HessianProducts:
    """A module whose parameters stay as they are, and the rows whose mean loss is differentiated twice.

    As precise as the module.
    """

    module: nn.Module
    objective: Objective
    batches: Sequence[Batch]
    layers: Sequence[str]

    def __call__(self, directions: Written) -> dict[str, Tensor]:
        """H d for every direction, (directions, parameters) by layer."""
        blocks = zip(*(torch.split(directions[name], TOGETHER) for name in self.layers), strict=True)
        found = [self._times(block) for block in blocks]
        return {name: torch.cat(parts) for name, parts in zip(self.layers, zip(*found, strict=True), strict=True)}

    def _times(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """The same for few directions, one tensor (directions, parameters) for each layer."""
        layers = [self.module.get_submodule(name) for name in self.layers]
        directions = [one.to(next(layer.parameters())) for layer, one in zip(layers, directions, strict=True)]
        counts = [len(list(layer.parameters(recurse=False))) for layer in layers]
        along = [part for pair in zip(layers, directions, strict=True) for part in to_parameters(*pair)]
        totals = [torch.zeros_like(part, dtype=torch.double) for part in along]
        for batch in self.batches:
            for total, part in zip(totals, self._second(batch, layers, along), strict=True):
                total += part
        rest, rows = iter(totals), sum(len(batch[0]) for batch in self.batches)
        parts = [[next(rest) for _ in range(count)] for count in counts]
        return [to_written(layer, part) / rows for layer, part in zip(layers, parts, strict=True)]

    def _second(self, batch: Batch, layers: Sequence[nn.Module], along: Sequence[Tensor]) -> Sequence[Tensor]:
        """Derivatives of a batch's summed gradient along the directions."""
        parameters = [one for layer in layers for one in layer.parameters(recurse=False)]
        with evaluating(self.module), torch.enable_grad():
            losses = self.objective.losses(self.module, batch)
            first = torch.autograd.grad(losses.sum(), parameters, create_graph=True)
            curved = [pair for pair in zip(first, along, strict=True) if pair[0].requires_grad]
            if not curved:
                return [torch.zeros_like(part) for part in along]
            return torch.autograd.grad(
                [one for one, _ in curved],
                parameters,
                [part for _, part in curved],
                is_grads_batched=True,
                materialize_grads=True,
            )
