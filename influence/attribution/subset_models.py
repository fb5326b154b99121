"""Subset models: a hundred networks on random subsets of the rows, and each row judged by those that saw it or not.

score(i, v) = mean loss of v by the networks trained without row i - mean loss by those trained with it, positive helps;
of the row's own P(own label), with minus without, it is the row's memorization. No derivative and no optimum is asked
for, so that it is the truth about this way of training, in the limit of many networks. Source: Feldman & Zhang 2020.
Each network trains from a seed of its own on `share` of the rows, whose losses weigh 1 / share, so that its steps are
as long as those on all rows; so a row's effect is that in a smaller training, about 1 / share of leave-one-out. Forty
networks tell who is memorized; the effect on a reference row that many rows help takes hundreds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from culpa.influence.attribution.attribution import Attribution
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.gradients import Losses, target_losses
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training, losses_together, train_together
from culpa.influence.subsets import SHARE, Effects, draw_subsets, effects, own_effects

__all__ = ["SUBSET_MODELS", "SubsetModels", "train_subset_models"]


@dataclass(frozen=True)
class SubsetModels:
    """Networks trained on subsets of one training's rows."""

    training: Training
    networks: Sequence[Training]
    masks: NDArray[np.bool_]  # (networks, rows)
    asked: Losses  # of a reference row: its loss, or another number that a better network lowers

    def between(self, reference: Batch) -> Tensor:
        """(training rows, reference rows), positive helps."""
        return self._tensor(self.with_errors(reference).values)

    def on_mean(self, reference: Batch) -> Tensor:
        """(training rows,), positive helps."""
        return self._tensor(self.with_errors(reference, mean=True).values[:, 0])

    def own(self) -> Tensor:
        """(training rows,): how much the fit at a row rests on the row."""
        return self._tensor(own_effects(self.masks, -self._losses(self.training.data, self.asked)).values)

    def with_errors(self, reference: Batch, *, mean: bool = False) -> Effects:
        """Scores and their standard errors, (training rows, reference rows); `mean`: on their mean, (rows, 1)."""
        losses = self._losses(reference, self.asked)
        return effects(self.masks, -(losses.mean(axis=1, keepdims=True) if mean else losses))

    def memorization(self) -> Effects:
        """P(own label) trained with the row minus without it, (training rows,), with standard errors."""
        minus_probability = target_losses(self.training.recipe.objective, "probability")
        return own_effects(self.masks, -self._losses(self.training.data, minus_probability))

    def _losses(self, data: Batch, asked: Losses) -> NDArray[np.float64]:
        return np.asarray(losses_together(self.networks, data, asked).cpu().double().numpy())

    def _tensor(self, values: NDArray[np.float64]) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self.training.data[0].device)


def train_subset_models(
    training: Training, *, models: int, seed: int, share: float = SHARE, asked: Losses | None = None
) -> SubsetModels:
    """Train `models` networks of the training's recipe, each on a random `share` of its rows."""
    masks = draw_subsets(len(training), models, seed=seed, share=share)
    weights = torch.as_tensor(masks / masks.mean(axis=1, keepdims=True), dtype=torch.float32)
    if training.weights is not None:
        weights = weights * training.weights.cpu()
    recipe = replace(training.recipe, checkpoints=1)
    seeds = [seed + place for place in range(models)]
    networks = train_together(recipe, training.data, seeds=seeds, weights=weights)
    return SubsetModels(training, networks, masks, asked or training.recipe.objective.losses)


def _attribute(training: Training, choices: Choices) -> Attribution:
    return train_subset_models(training, models=choices.models, seed=choices.seed, asked=choices.losses(training))


SUBSET_MODELS = Method(
    "subset-models",
    "models trained on subsets, with and without the row",
    "Feldman & Zhang 2020",
    _attribute,
    retrains=True,
    restricts=False,
)
