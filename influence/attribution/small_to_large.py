"""Small to large: is a small proxy good enough to judge the rows of a large model?

Two questions. Do both order the rows alike (`transfers`: Spearman correlation, and how many of the rows that the large
one would flag the small one flags too)? And does it help the large model when the small one's flags are dropped
(`flags_help`: trained again without them, and, as a yardstick, without as many random rows)?
Source: Khaddaj et al. 2025, who find that effects of data agree over sizes but for very small proxies. The interval of
the correlation is that of Bonett & Wright 2000, of the overlap that of Wilson 1927; both take rows as independent, so
that near-duplicates make them too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import norm, spearmanr
from torch import Tensor

from culpa.influence.gradients import Classification, in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training, train_together
from culpa.influence.network.training import BATCH

__all__ = ["Estimate", "Helped", "Transfer", "flags_help", "quality", "transfers"]

LEVEL = 0.95  # of the intervals


@dataclass(frozen=True)
class Estimate:
    """A number and the interval it is in, with probability LEVEL."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Transfer:
    """How far scores by a small model are those by a large one."""

    spearman: Estimate
    overlap: Estimate  # share of the large one's top rows that are the small one's, too
    chance: float  # the overlap of random scores


def transfers(small: Tensor, large: Tensor, *, top: int) -> Transfer:
    """Compare scores of the same rows, (rows,) each; the `top` rows are those of the highest scores.

    For the most harmful rows pass the scores with their sign turned. Errors: ValueError for scores of other rows, and
    for a top that is none.

    >>> found = transfers(torch.tensor([1.0, 2, 3, 4, 5, 6]), torch.tensor([1.0, 3, 2, 4, 6, 5]), top=2)
    >>> round(found.spearman.value, 2), found.overlap.value
    (0.89, 1.0)
    """
    rows = len(small)
    if small.shape != (rows,) or large.shape != (rows,) or rows < 4:
        raise ValueError(
            f"scores of the shapes {tuple(small.shape)} and {tuple(large.shape)} came: needed one number for each row, "
            "of the same rows, four at least"
        )
    if not 1 <= top < rows:
        raise ValueError(f"top must be from 1 to {rows - 1} of {rows} rows, got {top}: try the number you would review")
    correlation = float(spearmanr(small.cpu(), large.cpu()).statistic)
    shared = torch.isin(large.topk(top).indices, small.topk(top).indices.to(large.device)).double().mean()
    return Transfer(_correlation(correlation, rows), _share(float(shared), top), top / rows)


def _correlation(value: float, rows: int) -> Estimate:
    """Fisher's z of a rank correlation is normal, its variance (1 + r^2 / 2) / (rows - 3)."""
    beyond = norm.ppf((1 + LEVEL) / 2) * np.sqrt((1 + value**2 / 2) / (rows - 3))
    z = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    return Estimate(value, float(np.tanh(z - beyond)), float(np.tanh(z + beyond)))


def _share(value: float, trials: int) -> Estimate:
    """Wilson's interval of a share."""
    square = norm.ppf((1 + LEVEL) / 2) ** 2 / trials
    middle = (value + square / 2) / (1 + square)
    beyond = np.sqrt(square * (value * (1 - value) + square / 4)) / (1 + square)
    return Estimate(value, float(middle - beyond), float(middle + beyond))


@dataclass(frozen=True)
class Helped:
    """Quality on test rows of one model, trained on different rows."""

    on_all: float
    without_flagged: float
    without_random: Sequence[float]  # without as many random rows, several times

    @property
    def chance(self) -> float:
        """How often random rows, dropped, help at least as much: a permutation test's p."""
        return (1 + sum(one >= self.without_flagged for one in self.without_random)) / (1 + len(self.without_random))


def flags_help(large: Training, flagged: Tensor, test: Batch, *, draws: int, seed: int) -> Helped:
    """Train the large model again without the flagged rows (their positions), and `draws` times without random ones.

    The same start, order and denominators each time, so that nothing else differs.
    """
    rows, chance = len(large), torch.Generator().manual_seed(seed)
    weights = torch.ones(1 + draws, rows) if large.weights is None else large.weights.repeat(1 + draws, 1)
    weights[0, flagged] = 0
    for draw in range(draws):
        weights[1 + draw, torch.randperm(rows, generator=chance)[: len(flagged)]] = 0
    recipe = replace(large.recipe, checkpoints=1)
    found = train_together(recipe, large.data, seeds=[large.seed] * (1 + draws), weights=weights)
    first, *others = [quality(one, test) for one in found]
    return Helped(quality(large, test), first, tuple(others))


def quality(training: Training, test: Batch) -> float:
    """Share of test rows whose label is the likeliest class; for regression minus the mean loss."""
    objective = training.recipe.objective
    if not isinstance(objective, Classification):
        return -float(training.losses(test).mean())
    with torch.no_grad():
        right = [objective.scores(training.module, batch).argmax(1) == batch[-1] for batch in in_order(test, BATCH)]
    return float(torch.cat(right).double().mean())
