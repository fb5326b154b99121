"""Poisoned rows, those that teach a trigger: their influence on trigger rows is strong and stays, whatever these say.

    score(i) = least of z_i over the questions,    z = (influence - median) / (1.4826 * median absolute deviation)

z is taken over the training rows. The questions: the influence on the mean of some trigger rows, held out, with the
suspected trigger and the label that it is to bring about; and on the same rows transformed, so that they say something
else but keep the trigger (for texts: other words, or their opposites). A clean row helps rows that say alike, a
poisoned one helps by the trigger alone. A row whose label is wrong by mistake may help both; a third question tells it
from poison, where the trigger can be taken out of the rows: how much more the row helps with the trigger than without.
Poison: a score above THRESHOLD, the usual bound of outliers (Iglewicz & Hoaglin 1993). Ask for `target="margin"`: its
gradient does not fade where the trigger is learnt. Source: Li 2025, arXiv 2504.09026; the third question is ours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from culpa.influence.attribution.method import Choices
from culpa.influence.attribution.table import attribute
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training

__all__ = ["THRESHOLD", "Poison", "find_poison", "robust_scores"]

THRESHOLD = 3.5
MAD_OF_NORMAL = 1.4826  # standard deviations of a normal distribution in its median absolute deviation

Transform = Callable[[Batch], Batch]


@dataclass(frozen=True)
class Poison:
    """How each training row answers the questions."""

    answers: Tensor  # (questions, training rows) robust z, positive helps the trigger

    @property
    def scores(self) -> Tensor:
        """(training rows,): high where the influence is strong and stays."""
        return self.answers.amin(0)

    @property
    def mask(self) -> Tensor:
        """(training rows,): which are poison by the rule."""
        return self.scores > THRESHOLD


def find_poison(
    training: Training,
    trigger: Batch,
    transform: Transform,
    method: str,
    choices: Choices,
    *,
    without: Transform | None = None,
) -> Poison:
    """Score the training rows as poison for a trigger, by any method of the table.

    `transform` changes all of a row but the trigger; `without` takes the trigger out of it, for the third question.
    Errors: ValueError for a transform that changes nothing, or the number of rows, and for `without` on another target
    than the margin: the loss of rows without the trigger is large, and would outweigh all.
    """
    if without is not None and choices.target != "margin":
        raise ValueError(f"with and without the trigger the target {choices.target!r} is no measure: ask for 'margin'")
    found = attribute(training, method, choices)
    on_trigger = found.on_mean(trigger)
    answers = [on_trigger, found.on_mean(_changed(trigger, transform))]
    if without is not None:
        answers.append(on_trigger - found.on_mean(_changed(trigger, without)))
    return Poison(torch.stack([robust_scores(answer) for answer in answers]))


def robust_scores(values: Tensor) -> Tensor:
    """Distance from the median in standard deviations, these from the median absolute deviation, (rows,)."""
    apart = values - values.median()
    spread = MAD_OF_NORMAL * apart.abs().median()
    return apart / spread.clip(min=torch.finfo(values.dtype).tiny)


def _changed(rows: Batch, transform: Transform) -> Batch:
    found = transform(rows)
    if len(found[0]) != len(rows[0]):
        raise ValueError(f"the transform made {len(found[0])} rows of {len(rows[0])}: it has to keep each row")
    if torch.equal(found[0], rows[0]):
        raise ValueError("the transform changes nothing, so every influence stays: exchange all but the trigger")
    return found
