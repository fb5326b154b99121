"""A torch network and how it is trained: everything that retraining it needs, so that a method may do it again.

The same recipe, rows and seed give the same weights. Two things are kept fixed on purpose: the order of the rows, which
the seed alone decides, and each batch's denominator, which is its number of rows whatever they weigh. So a row of
weight nought is left out of *this very* training: nothing else of it changes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn

from culpa.influence.gradients import Classification, Objective

__all__ = ["Recipe", "optimizer_of", "rate_at"]

Optimizer = Literal["sgd", "adam"]
Schedule = Literal["constant", "linear", "cosine"]
Inputs = Literal["features", "tokens"]


@dataclass(frozen=True)
class Recipe:
    """How to make a network and train it on rows.

    >>> recipe = Recipe(lambda: nn.Linear(4, 3), rate=0.1, epochs=5)
    >>> recipe.batch_size
    64
    """

    make: Callable[[], nn.Module]  # a fresh network; torch's seed is set before the call
    rate: float  # learning rate of the first step
    epochs: int
    objective: Objective = field(default_factory=Classification)
    batch_size: int = 64
    optimizer: Optimizer = "sgd"
    momentum: float = 0.0  # of sgd
    l2: float = 0.0  # penalty l2 / 2 * parameters^2 on the mean loss
    schedule: Schedule = "constant"  # how the rate falls over the steps, to nought at the end
    checkpoints: int = 5  # moments kept, evenly over the epochs; the last one is the end
    patience: int | None = None  # epochs without a lower held-out loss after which to stop; None: never
    inputs: Inputs = "features"  # what a row is to the network: its numbers, or the tokens of its text

    def __post_init__(self) -> None:
        """Refuse a training that cannot be."""
        for name, value in {"rate": self.rate, "epochs": self.epochs, "batch_size": self.batch_size}.items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}: a network learns by steps of some size")
        if self.checkpoints < 1:
            raise ValueError(f"checkpoints must be 1 or more, got {self.checkpoints}: the end of the training is one")
        if self.l2 < 0:
            raise ValueError(f"l2 must be 0 or more, got {self.l2}: it is a penalty")


def optimizer_of(recipe: Recipe, module: nn.Module) -> torch.optim.Optimizer:
    """The optimizer over the parameters that learn."""
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not learning:
        raise ValueError(f"{type(module).__name__} has no parameter that learns: leave requires_grad on for some")
    if recipe.optimizer == "adam":
        return torch.optim.Adam(learning, lr=recipe.rate, weight_decay=recipe.l2)
    return torch.optim.SGD(learning, lr=recipe.rate, momentum=recipe.momentum, weight_decay=recipe.l2)


def rate_at(recipe: Recipe, step: int, steps: int) -> float:
    """Learning rate of step `step` of `steps`, counted from 0."""
    done = step / steps
    if recipe.schedule == "linear":
        return recipe.rate * (1 - done)
    if recipe.schedule == "cosine":
        return recipe.rate * (1 + math.cos(math.pi * done)) / 2
    return recipe.rate
