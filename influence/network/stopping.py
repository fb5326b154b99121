"""Early stopping: how many epochs a recipe wants, told by rows that do not learn.

The number is found once and then belongs to the recipe, so that every later training of it (without some rows, from
another seed) is the same training. Source: Prechelt 1998, the generalization-loss rule with patience.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from culpa.influence.gradients import in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.modes import evaluating
from culpa.influence.network.recipe import Recipe
from culpa.influence.network.training import BATCH, train

__all__ = ["stopped_early"]


class _Enough(Exception):
    """The held-out loss has not fallen for long enough."""


@dataclass
class _Watch:
    """Mean held-out loss after each epoch."""

    recipe: Recipe
    held_out: Batch
    patience: int
    losses: list[float] = field(default_factory=list)

    def step(self, moment: object) -> None:
        """Nothing to see."""

    def epoch(self, number: int, module: nn.Module) -> None:
        with evaluating(module), torch.no_grad():
            parts: list[Tensor] = [
                self.recipe.objective.losses(module, batch) for batch in in_order(self.held_out, BATCH)
            ]
        self.losses.append(float(torch.cat(parts).mean()))
        if number - self.best >= self.patience:
            raise _Enough

    @property
    def best(self) -> int:
        return min(range(len(self.losses)), key=self.losses.__getitem__)


def stopped_early(recipe: Recipe, data: Batch, held_out: Batch, *, seed: int, patience: int = 3) -> Recipe:
    """The recipe with as many epochs as lower the mean loss of `held_out` rows, at most those it has.

    Training stops once the loss has not fallen for `patience` epochs. A rate that falls over the steps falls over the
    epochs that are left.
    """
    watch = _Watch(recipe, held_out, patience)
    with suppress(_Enough):
        train(recipe, data, seed=seed, watch=watch)
    return replace(recipe, epochs=watch.best + 1)
