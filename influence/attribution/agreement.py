"""Do a network's scores say what retraining says, on a few rows really left out?

Influence in networks is fragile: between the least and the most influential row it may order rows by chance. So rows
(or groups of rows) are drawn evenly over the quantiles of their scores and left out of the very training. Groups move a
network by more than chance does, where single rows may not.
Source: Basu et al. 2021 (fragility); empirical influence, arXiv 2406.00509.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from culpa.influence.agreement import LEAST_REMOVALS, Agreement, agreement
from culpa.influence.attribution.retraining import left_out
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training, losses_together

__all__ = ["Agreement", "agreement", "agreement_with_retraining", "draw_by_quantile"]

Array = NDArray[np.float64]


def agreement_with_retraining(
    training: Training, scores: Tensor, reference: Batch, *, removals: int = 30, group: int = 1, seed: int
) -> Agreement:
    """Leave out `removals` groups of `group` rows each; `scores` (rows,) are those on the mean reference loss.

    It trains `removals` networks. Errors: ValueError for fewer rows than are to be removed.
    """
    values = scores.detach().cpu().double().numpy()
    if len(values) != len(training):
        raise ValueError(f"{len(values)} scores came for {len(training)} training rows: give one for each row")
    groups = draw_by_quantile(values, removals, group, seed=seed)
    retrained = left_out(training, torch.as_tensor(groups))
    rise = losses_together(retrained, reference).double().mean(1) - training.losses(reference).double().mean()
    return agreement(groups @ values, rise.cpu().numpy(), seed=seed)


def draw_by_quantile(scores: Array, removals: int, group: int, *, seed: int) -> NDArray[np.bool_]:
    """Masks of the rows to remove, (removals, rows): each from a stretch of its own of the sorted scores."""
    if removals < LEAST_REMOVALS or removals * group > len(scores):
        raise ValueError(
            f"{removals} removals of {group} rows of {len(scores)} were asked for: needed {LEAST_REMOVALS} removals or "
            "more, and no more rows than there are; remove fewer, or smaller groups"
        )
    chance, masks = np.random.default_rng(seed), np.zeros((removals, len(scores)), np.bool_)
    for mask, stretch in zip(masks, np.array_split(np.argsort(scores, kind="stable"), removals), strict=True):
        mask[chance.choice(stretch, group, replace=False)] = True
    return masks
