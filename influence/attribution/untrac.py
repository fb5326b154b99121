"""UnTrac: unlearn by a few steps up the loss, and see whose loss rises with it.

The reference rows lose what they owe to the training rows that are unlearned, and the other way round:
* `untrac`: unlearn a group of training rows (a source); its score is the rise of the reference loss, positive helps;
* untrac-inverse: unlearn the reference rows; the score of training row i is the rise of its own loss, so that one run
  scores all training rows.
Source: Isonuma & Titov 2024, section 3. To first order both are products of gradients at the end of the training; what
they add is how the network bends. Long runs break the network and tell nothing: the steps here are together as long as
one step of the training, and where one row alone is unlearned as long as the row's share in one. The inverse scores are
rises over the length of the run, so that rows and means of rows compare; still a run on a mean is not the mean of runs.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.attribution.attribution import Attribution
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.gradients import Losses, in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.modes import evaluating
from culpa.influence.network import Recipe, Training, losses_together, train_together

__all__ = ["UNTRAC_INVERSE", "UntracInverse", "untrac"]

STEPS = 5
TOGETHER = 256  # reference rows unlearned side by side, each by a network of its own


@dataclass(frozen=True)
class _Unlearning:
    """An objective that climbs: descending it raises the rows' numbers. Dropout is off, norms stay as they are."""

    asked: Losses

    def losses(self, module: nn.Module, batch: Batch) -> Tensor:
        with evaluating(module):
            return -self.asked(module, batch)

    def fisher(self, module: nn.Module, batch: Batch, chance: torch.Generator) -> Tensor:
        raise NotImplementedError("what is unlearned has no curvature of its own")


def untrac(training: Training, groups: Tensor, reference: Batch, *, steps: int = STEPS) -> Tensor:
    """Rise of every reference row's loss when a group of training rows is unlearned, (groups, reference rows).

    `groups` are masks, (groups, rows); a larger group makes larger steps. Positive: the group helps.
    """
    if groups.ndim != 2 or groups.shape[1] != len(training):
        raise ValueError(
            f"groups of the shape {tuple(groups.shape)} came for {len(training)} rows: give masks over them"
        )
    losses = training.recipe.objective.losses
    return _rise(training, _unlearned(training, training.data, losses, groups.float(), steps), reference)


@dataclass(frozen=True)
class UntracInverse:
    """A training whose reference rows are unlearned."""

    training: Training
    asked: Losses  # of a reference row: its loss, or another number that a better network lowers
    steps: int = STEPS

    def between(self, reference: Batch) -> Tensor:
        """(training rows, reference rows), positive helps: one run for each reference row."""
        return torch.cat([self._alone(block, self.training.data) for block in in_order(reference, TOGETHER)]).T

    def on_mean(self, reference: Batch) -> Tensor:
        """(training rows,), positive helps: one run that unlearns all reference rows together."""
        return self._score(reference, torch.ones(1, len(reference[0])), 1.0, self.training.data)[0]

    def own(self) -> Tensor:
        """(training rows,): how far a row's loss rises when the row itself is unlearned."""
        blocks = in_order(self.training.data, TOGETHER)
        return torch.cat([self._alone(block, block).diagonal() for block in blocks])

    def _alone(self, block: Batch, watched: Batch) -> Tensor:
        """A run for each row of a block, as if there were no other: (rows of the block, watched rows)."""
        count = len(block[0])
        return self._score(block, count * torch.eye(count), 1 / self.training.recipe.batch_size, watched)

    def _score(self, rows: Batch, weights: Tensor, share: float, watched: Batch) -> Tensor:
        """Rise of the watched rows' losses in each run, over the length of the run, `share` of a training step."""
        networks = _unlearned(self.training, rows, self.asked, weights, self.steps, share)
        return _rise(self.training, networks, watched) / (share * self.training.recipe.rate)


def _unlearned(
    training: Training, rows: Batch, asked: Losses, weights: Tensor, steps: int, share: float = 1.0
) -> list[Training]:
    """Networks that go on from the end of the training, up the mean over `rows` of weight times the number asked."""
    recipe = Recipe(
        lambda: deepcopy(training.module),
        rate=share * training.recipe.rate / steps,
        epochs=steps,
        objective=_Unlearning(asked),
        batch_size=len(rows[0]),
        optimizer=training.recipe.optimizer,
        checkpoints=1,
    )
    return train_together(recipe, rows, seeds=[training.seed] * len(weights), weights=weights)


def _rise(training: Training, networks: list[Training], rows: Batch) -> Tensor:
    """How far the rows' losses rose since the end of the training, (networks, rows)."""
    losses = training.recipe.objective.losses
    return losses_together(networks, rows, losses) - losses_together([training], rows, losses)


def _attribute(training: Training, choices: Choices) -> Attribution:
    return UntracInverse(training, choices.losses(training))


UNTRAC_INVERSE = Method(
    "untrac-inverse",
    "unlearn the reference rows, watch the training rows",
    "Isonuma & Titov 2024",
    _attribute,
    retrains=True,
    restricts=False,
)
