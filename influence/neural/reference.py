"""A method's scores on reference rows, gathered chunk by chunk into what every proxy reports.

Mean, standard error over the reference rows, means by class, and the mean effect on P(own label). No more pairs are
held at once than a chunk has. Where there are very many reference rows a stratified sample of them speaks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from culpa.influence.attribution import Attribution
from culpa.influence.gradients.batches import Batch
from culpa.influence.proxy import ReferenceInfluence

__all__ = ["MOST_REFERENCE", "Gathered", "influence_of"]

Array = NDArray[np.float64]

MOST_REFERENCE = 2_000
MOST_PAIRS = 2**25


@dataclass(frozen=True)
class Gathered:
    """Scores of the training rows on the reference rows, in units of the network's loss."""

    mean: Array  # (rows,)
    standard_error: Array  # (rows,)
    by_class: Array  # (rows, classes), NaN where a class has no reference row; (rows, 1) for regression
    on_probability: Array  # (rows,) NaN for regression

    def scaled(self, factor: float) -> "Gathered":
        """In other units of loss; probabilities have none."""
        return Gathered(self.mean * factor, self.standard_error * factor, self.by_class * factor, self.on_probability)

    def over(self, spread: Callable[[Array], Array]) -> ReferenceInfluence:
        """As a proxy reports it, over all rows."""
        mean, error, classes, probability = (
            spread(one) for one in (self.mean, self.standard_error, self.by_class, self.on_probability)
        )
        return ReferenceInfluence(mean, error, classes, probability, removal=mean)


def influence_of(
    found: Attribution, on_probability: Attribution | None, reference: Batch, classes: int, rows: int, seed: int
) -> Gathered:
    """Gather the scores of `rows` rows on the reference rows; of more than MOST_REFERENCE on so many, by class."""
    if not len(reference[0]):
        raise ValueError("no reference rows came, at least one is needed: pass the trusted rows, or a fold of the rows")
    drawn = [part[_drawn(reference[-1], seed)] for part in reference]
    labels = drawn[-1].numpy() if classes else np.zeros(len(drawn[0]), np.int64)
    sums, squares, counts = _sums(found, drawn, labels, max(classes, 1), max(1, MOST_PAIRS // rows))
    total = counts.sum()
    mean = sums.sum(axis=1) / total
    spread = np.sqrt((squares / total - mean**2).clip(0) / max(total - 1, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        by_class = sums / counts
    probability = np.full(len(mean), np.nan)
    if on_probability is not None:
        probability = on_probability.on_mean(drawn).double().numpy()
    return Gathered(mean, spread, by_class, probability)


def _sums(
    found: Attribution, reference: Batch, labels: NDArray[np.int64], classes: int, step: int
) -> tuple[Array, Array, Array]:
    """Sums by class (rows, classes), sums of squares (rows,), and reference rows by class (classes,)."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    member = torch.nn.functional.one_hot(torch.from_numpy(labels), classes).double()
    sums: Tensor | None = None
    squares: Tensor | None = None
    for start in range(0, len(labels), step):
        pairs = found.between([part[start : start + step] for part in reference]).double()
        added, squared = pairs @ member[start : start + step], pairs.square().sum(1)
        sums = added if sums is None else sums + added
        squares = squared if squares is None else squares + squared
    assert sums is not None
    assert squares is not None
    return sums.numpy(), squares.numpy(), counts


def _drawn(labels: Tensor, seed: int) -> Tensor:
    """Positions of the reference rows that speak: all, or MOST_REFERENCE counted off along the labels' order."""
    if len(labels) <= MOST_REFERENCE:
        return torch.arange(len(labels))
    chance = torch.Generator().manual_seed(seed)
    mixed = torch.randperm(len(labels), generator=chance)
    ordered = mixed[labels[mixed].argsort(stable=True)]
    places = torch.linspace(0, len(labels) - 1, MOST_REFERENCE).round().long()
    return ordered[places].sort().values
