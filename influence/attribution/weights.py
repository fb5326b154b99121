"""A weight in [0, 1] for every training row: the soft form of filtering, for trainers that take weights.

Judged by reference rows that are right, in turns of weighing, training and moving the weights:
* `weights_by_ignoring`: a weight is a sigmoid, moved by what a step on the row would do to the reference loss. Learning
  by ignoring, Zhao et al. 2020 (arXiv 2012.14288), without their stage of fine-tuning.
* `weights_by_influence`: a weight is moved by the row's influence and clipped. Ren et al. 2020 (arXiv 2007.01293), who
  weigh unlabeled rows so.
The first is the one to begin with: on planted domains and label noise a training with its weights had the lowest loss,
and it needs neither a curvature nor a damping. A low weight says that a row harms; a high one does not say that it is
needed. `lexical` holds weights against words.
"""

import torch
from torch import Tensor

from culpa.influence.attribution.method import Choices
from culpa.influence.attribution.table import METHODS
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training

__all__ = ["weights_by_ignoring", "weights_by_influence"]

TURNS = 5
START = 1.0  # of the number under the sigmoid: a weight of .73
STEP_OF_NUMBERS, STEP_OF_WEIGHTS = 0.5, 0.3  # for a row whose influence is a standard deviation of all rows'


def weights_by_ignoring(training: Training, reference: Batch, *, turns: int = TURNS) -> Tensor:
    """Weight of each row, (rows,) in (0, 1); trains `turns` times."""
    _check(turns)
    numbers = torch.full((len(training),), START)
    for _ in range(turns):
        weights = numbers.sigmoid()
        effects = _effects(training, weights, reference, "dot") * weights * (1 - weights)
        numbers = numbers + STEP_OF_NUMBERS * _in_deviations(effects)
    return numbers.sigmoid()


def weights_by_influence(training: Training, reference: Batch, *, turns: int = TURNS, method: str = "ekfac") -> Tensor:
    """Weight of each row, (rows,) in [0, 1]; trains `turns` times, and asks a method of the table each time."""
    _check(turns)
    weights = torch.ones(len(training))
    for _ in range(turns):
        effects = _effects(training, weights, reference, method)
        weights = (weights + STEP_OF_WEIGHTS * _in_deviations(effects)).clip(0, 1)
    return weights


def _effects(training: Training, weights: Tensor, reference: Batch, method: str) -> Tensor:
    """What more of each row would do for the mean reference loss, (rows,), after training with these weights."""
    before = torch.ones(len(training)) if training.weights is None else training.weights.cpu()
    weighed = training.again(weights * before)
    return METHODS[method].attribute(weighed, Choices(seed=training.seed)).on_mean(reference).cpu().float()


def _in_deviations(effects: Tensor) -> Tensor:
    """In units of their standard deviation over the rows."""
    return effects / effects.std().clip(torch.finfo(effects.dtype).tiny)


def _check(turns: int) -> None:
    if turns < 1:
        raise ValueError(f"turns must be 1 or more, got {turns}: weights are learnt in at least one")
