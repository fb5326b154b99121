"""What of a reference row is asked about: its loss, or, for classification influence, its classification.

A target is a number per row that a better model lowers, so that influence on it keeps its sign: positive helps.
`minus_probability` is -P(own label); `minus_margin` is -log(P(own label) / (1 - P(own label))).
Source: classification influence Kounavis et al. 2023, in our reading, since its formula was not available to us: the
loss of the reference row is replaced by its classification output. The margin: TRAK, Park et al. 2023, eq. 9.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.capture import Losses
from culpa.influence.gradients.objective import Classification, Objective

__all__ = ["Target", "minus_margin", "minus_probability", "target_losses"]

Target = Literal["loss", "probability", "margin"]


def target_losses(objective: Objective, target: Target) -> Losses:
    """The numbers of a target. Errors: ValueError where the model does not classify."""
    if target == "loss":
        return objective.losses
    if not isinstance(objective, Classification):
        raise ValueError(f"the target {target!r} asks for class probabilities, and {objective} has none: take 'loss'")
    return minus_probability(objective) if target == "probability" else minus_margin(objective)


def minus_probability(objective: Classification) -> Losses:
    """-P(own label) of each row, (rows,)."""

    def numbers(module: nn.Module, batch: Batch) -> Tensor:
        return -torch.exp(-objective.losses(module, batch))

    return numbers


def minus_margin(objective: Classification) -> Losses:
    """-log(p / (1 - p)) of each row, p its P(own label), (rows,), nats."""

    def numbers(module: nn.Module, batch: Batch) -> Tensor:
        scores, own = objective.scores(module, batch), batch[-1][:, None]
        return scores.scatter(1, own, -torch.inf).logsumexp(1) - scores.gather(1, own)[:, 0]

    return numbers
