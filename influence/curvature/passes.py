"""The passes over the training rows that a curvature is made of, and those it has to go through again in every solve.

The Gauss-Newton matrix is a sum of outer products over the passes of `Objective.fisher`. Curvatures that are never
written out (conjugate gradients, DataInf) meet the rows' gradients again in each solve: kept in their factors while
those fit, else captured anew from a copy of the module as it was when the curvature was fitted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from culpa.influence.curvature.joined import factors
from culpa.influence.gradients import Captured, captures
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective

__all__ = ["Passes", "check_batches", "fisher_gradients", "kept_or_made"]

MOST_KEPT = 2**26  # numbers in the factors of all passes: 256 MB in single precision


def check_batches(batches: Sequence[Batch]) -> None:
    """Refuse batches that are none, or that can be read only once."""
    if isinstance(batches, Iterator):
        raise ValueError(
            "the batches came as an iterator, which is used up after one pass: make a list of them, as in "
            "list(in_order(data))"
        )
    if not len(batches):
        raise ValueError("no batch came, at least one row is needed to fit a curvature")


def fisher_gradients(
    module: nn.Module, objective: Objective, batches: Sequence[Batch], seed: int, layers: Sequence[str] | None
) -> Iterator[tuple[Captured, int]]:
    """Gradients whose outer products add up to rows times the matrix; beside each, how many rows are new with it.

    All passes of one batch have the same inputs to every layer; the first of them tells its number of rows.
    """
    check_batches(batches)
    chance = torch.Generator().manual_seed(seed)
    for batch in batches:
        fresh = len(batch[0])
        for found in captures(module, partial(objective.fisher, chance=chance), batch, layers):
            yield found, fresh
            fresh = 0


@dataclass(frozen=True)
class Passes:
    """Captured gradients that can be gone through again."""

    make: Callable[[], Iterator[Captured]]  # the same each time
    kept: tuple[Captured, ...] | None  # all of them, where they fit

    def __iter__(self) -> Iterator[Captured]:
        """From the first to the last."""
        return self.make() if self.kept is None else iter(self.kept)


def kept_or_made(make: Callable[[], Iterator[Captured]]) -> Passes:
    """Keep what `make` gives while it is small enough."""
    kept, numbers = [], 0
    for found in make():
        numbers += _numbers(found)
        if numbers > MOST_KEPT:
            return Passes(make, None)
        kept.append(found)
    return Passes(make, tuple(kept))


def _numbers(found: Captured) -> int:
    return sum(factor.numel() for layer in found.layers.values() for factor in factors(layer).values())
