"""Leave-one-out: the network trained again without each row, the truth that all other methods guess at.

score(i, v) = loss of v after this very training without row i - loss of v after it, positive helps: same start, same
order of the rows, same denominators, so that nothing but the row is missing and no chance comes in. It is as dear as so
many trainings, though of small networks many are trained at once.
Its caveat is that of its strictness: another start or order may have felt the row otherwise (`subset_models` averages
over them).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from culpa.influence.attribution.attribution import Attribution
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.gradients import Losses
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training, losses_together, train_together

__all__ = ["LEAVE_ONE_OUT", "LeaveOneOut", "left_out"]

MOST_ROWS = 2_000
MOST_NUMBERS = 2**28  # in all networks: 1 GB in single precision


@dataclass(frozen=True)
class LeaveOneOut:
    """A training, and beside it one without each of its rows."""

    training: Training
    without: Sequence[Training]  # the i-th lacks row i
    asked: Losses  # of a reference row: its loss, or another number that a better network lowers

    def between(self, reference: Batch) -> Tensor:
        """(training rows, reference rows), positive helps."""
        return losses_together(self.without, reference, self.asked) - self._whole(reference)

    def on_mean(self, reference: Batch) -> Tensor:
        """(training rows,), positive helps."""
        return self.between(reference).mean(1)

    def own(self) -> Tensor:
        """(training rows,): how much the fit at a row rests on the row."""
        return self.between(self.training.data).diagonal()

    def _whole(self, data: Batch) -> Tensor:
        return losses_together([self.training], data, self.asked)


def left_out(training: Training, groups: Tensor) -> list[Training]:
    """The same training without each group of rows: masks (groups, rows), true for the rows that are left out."""
    before = torch.ones(len(training)) if training.weights is None else training.weights.cpu()
    weights = before * ~groups.cpu()
    recipe = replace(training.recipe, checkpoints=1)
    return train_together(recipe, training.data, seeds=[training.seed] * len(groups), weights=weights)


def _attribute(training: Training, choices: Choices) -> Attribution:
    """Errors: ValueError for more rows or parameters than so many trainings are worth."""
    rows, parameters = len(training), sum(one.numel() for one in training.module.parameters())
    if rows > MOST_ROWS or rows * parameters > MOST_NUMBERS:
        raise ValueError(
            f"leaving out each of {rows:,} rows trains as many networks of {parameters:,} parameters, at most "
            f"{MOST_ROWS:,} of {MOST_NUMBERS:,} parameters together are trained: take subset-models or ekfac, or call "
            "agreement_with_retraining for a sample of rows"
        )
    return LeaveOneOut(training, left_out(training, torch.eye(rows, dtype=torch.bool)), choices.losses(training))


LEAVE_ONE_OUT = Method(
    "leave-one-out",
    "the training again without each row",
    "Koh & Liang 2017",
    _attribute,
    retrains=True,
    restricts=False,
)
