"""Forgetting rows without training again: a copy of the network as it would be had the rows been left out.

Leaving rows out changes the gradient of the training's loss at its end from g to g'. A few steps bring it back to g: at
an optimum that is nought, and a training that stopped early stops early again.
* `forget`: Newton steps H^-1 (g' - g), with any curvature; the first is the influence of the rows, later ones correct
  it. With the exact Hessian of a linear model at its optimum they end in the retrained model.
* `forget_by_gradients`: steps along d = g' - g itself, each as long as the curvature along it asks, d <d, d> / <d, G d>
  with the Gauss-Newton matrix and its mean eigenvalue as damping; no curvature is fitted. The safer one where a network
  has not settled, for there a Newton step trusts the curvature further than it holds.
Source: influence-approximation unlearning, arXiv 2507.23257, in our reading: its one step goes along the mean gradient
of the forgotten rows less that of the retained ones; corrected after each step it came nearer to retraining.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from culpa.influence.curvature import Curvature
from culpa.influence.curvature.layout import to_parameters, to_written
from culpa.influence.curvature.passes import fisher_gradients
from culpa.influence.gradients import capture
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training

__all__ = ["foreseen_rise", "forget", "forget_by_gradients"]

STEPS = 5  # along gradients


Written = dict[str, Tensor]  # layer -> one direction, (1, parameters)


def forget(
    training: Training, rows: Tensor, curvature: Curvature, *, steps: int = 1, layers: Sequence[str] | None = None
) -> nn.Module:
    """The network without `rows` (positions), by Newton steps; `layers` are those the curvature was fitted on."""
    retained, module = _without(training, rows, steps, layers)
    for _ in range(steps):
        _move(module, curvature.solve(retained.change(module)), -1.0)
    return module


def forget_by_gradients(
    training: Training, rows: Tensor, *, steps: int = STEPS, layers: Sequence[str] | None = None
) -> nn.Module:
    """The network without `rows` (positions), by gradients alone."""
    retained, module = _without(training, rows, steps, layers)
    for _ in range(steps):
        change = retained.change(module)
        curved = retained.curvature_along(module, change)
        _move(module, change, -_square(change) / curved if curved > 0 else 0.0)
    return module


def foreseen_rise(training: Training, forgotten: nn.Module, reference: Batch) -> Tensor:
    """What forgetting does to reference rows, (reference rows,): rise of their losses, negative where it helps them.

    The preview of a cleaning: `forgotten` is the network without the rows that would be dropped. It orders reference
    rows as retraining does, and is of its size to a factor of two or so.
    """
    return replace(training, module=forgotten).losses(reference) - training.losses(reference)


@dataclass(frozen=True)
class _Retained:
    """The rows that stay, and where their training would have ended."""

    training: Training
    weights: Tensor  # (rows,) 0 for the rows to forget
    end: Written  # g, the gradient of all rows at the end of the training

    def change(self, module: nn.Module) -> Written:
        """g' - g."""
        now = _gradient(self.training, module, self.weights, list(self.end))
        return {name: now[name] - self.end[name] for name in now}

    def curvature_along(self, module: nn.Module, direction: Written) -> float:
        """<d, G d>, G the damped Gauss-Newton matrix of the retained rows, and the penalty's."""
        along, trace, recipe = 0.0, 0.0, self.training.recipe
        for batch, weights in _with_weights(self.training, self.weights):
            for found, _ in fisher_gradients(module, recipe.objective, [batch], self.training.seed, list(direction)):
                parts = [layer.along(direction[name]) for name, layer in found.layers.items()]
                along += float(weights @ torch.stack(parts).sum(0)[:, 0].square())
                trace += float(weights @ torch.stack([layer.squares() for layer in found.layers.values()]).sum(0))
        damping = trace / sum(part.numel() for part in direction.values())
        return (along + damping * _square(direction)) / len(self.training) + recipe.l2 * _square(direction)


def _without(training: Training, rows: Tensor, steps: int, layers: Sequence[str] | None) -> tuple[_Retained, nn.Module]:
    """What to reach, and the copy to reach it with."""
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}: nothing is forgotten without a step")
    weights = torch.ones(len(training)) if training.weights is None else training.weights.clone()
    weights = weights.to(training.data[0].device)
    module = deepcopy(training.module)
    end = _gradient(training, module, weights, layers)
    return _Retained(training, weights.index_fill(0, rows.to(weights.device), 0.0), end), module


def _gradient(training: Training, module: nn.Module, weights: Tensor, layers: Sequence[str] | None) -> Written:
    """Of the training's loss: the mean over all its rows of weight times loss, and the penalty."""
    total: Written = {}
    for batch, some in _with_weights(training, weights):
        for name, layer in capture(module, training.recipe.objective.losses, batch, layers).layers.items():
            found = layer.weighed(some[None]) / len(training)
            total[name] = total[name] + found if name in total else found
    return {name: found + training.recipe.l2 * _parameters(module, name) for name, found in total.items()}


def _with_weights(training: Training, weights: Tensor) -> list[tuple[Batch, Tensor]]:
    batches = training.batches()
    return list(zip(batches, torch.split(weights, [len(batch[0]) for batch in batches]), strict=True))


def _parameters(module: nn.Module, name: str) -> Tensor:
    layer = module.get_submodule(name)
    return to_written(layer, [parameter.detach()[None] for parameter in layer.parameters(recurse=False)])


def _move(module: nn.Module, direction: Written, length: float) -> None:
    with torch.no_grad():
        for name, part in direction.items():
            layer = module.get_submodule(name)
            for parameter, move in zip(layer.parameters(recurse=False), to_parameters(layer, part), strict=True):
                parameter.add_(length * move[0])


def _square(direction: Written) -> float:
    return sum(float(part.square().sum()) for part in direction.values())
