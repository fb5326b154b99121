"""Memorize or generalize: what a row does for its own prediction, and what for rows that were not learnt from.

    memorization(i) = p_i with the row - p_i without it,  p_i = P(own label);  by its self-influence s_i on the loss
                    = p_i (1 - exp(-s_i)),  since the loss without the row is -log p_i + s_i

    generalization(i) = influence(i, mean of held-out rows), positive helps

A row may do both. The sign that tells is the held-out one, for two reasons. Self-influence is <g, H^-1 g>, never
negative under any curvature, so its sign says nothing. And training rows cannot stand in for held-out ones: where the
training came to rest, the influences of all rows on one of them add up to -damping <theta, H^-1 g>, next to nothing, so
that help and harm there are balanced by the fit itself. Needs scores in nats, as of influence or leave-one-out.
Source: Kounavis et al. 2023; memorization Feldman 2020.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from culpa.influence.attribution.method import Choices
from culpa.influence.attribution.table import attribute
from culpa.influence.gradients import Classification
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training

__all__ = ["Effects", "memorization", "memorize_or_generalize"]


@dataclass(frozen=True)
class Effects:
    """What each training row does for itself and for others, (training rows,) each."""

    memorization: Tensor  # fall of P(own label) without the row, from 0 to 1
    generalization: Tensor  # on the held-out rows, in the unit of the target

    @property
    def generalizes(self) -> Tensor:
        """Which rows help held-out rows; the others are learnt for their own sake, or to harm."""
        return self.generalization > 0


def memorize_or_generalize(training: Training, held_out: Batch, method: str, choices: Choices) -> Effects:
    """Both effects by any method of the table whose scores are in nats; `choices.target` is of the held-out rows.

    Errors: ValueError where the model does not classify.
    """
    if not isinstance(training.recipe.objective, Classification):
        raise ValueError(f"{training.recipe.objective} has no P(own label) to be memorized: take own() of the method")
    on_losses = attribute(training, method, replace(choices, target="loss"))
    asked = on_losses if choices.target == "loss" else attribute(training, method, choices)
    return Effects(memorization(on_losses.own(), training.losses(training.data)), asked.on_mean(held_out))


def memorization(self_influence: Tensor, losses: Tensor) -> Tensor:
    """P(own label) with the row, minus without, from its self-influence and its loss in nats: (rows,) each.

    >>> self_influence, losses = torch.tensor([[0.0, 1.0, 50.0], [0.5, 0.0, 0.0]]).double()
    >>> memorization(self_influence, losses).round(decimals=2).tolist()
    [0.0, 0.63, 1.0]
    """
    return torch.exp(-losses) * -torch.expm1(-self_influence)
