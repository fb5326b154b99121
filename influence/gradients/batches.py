"""Rows of a torch data set in batches, in the order given, the same every time: scores are joined by that order."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler

__all__ = ["Batch", "in_order"]

Batch = Sequence[Tensor]  # features first, labels last; as the loss function takes them


def in_order(data: "Batch | DataLoader[Any]", size: int = 256) -> Iterator[Batch]:
    """Batches of tensors of equal length, or those of a loader that neither shuffles, samples nor augments.

    Errors: ValueError for tensors of unequal length, and for a loader whose rows may come in another order or shape.

    >>> [len(features) for features, labels in in_order((torch.zeros(5, 2), torch.zeros(5)), 2)]
    [2, 2, 1]
    """
    if isinstance(data, DataLoader):
        _check_loader(data)
        yield from data
        return
    lengths = {len(part) for part in data}
    if len(lengths) != 1:
        raise ValueError(f"tensors of {sorted(lengths)} rows came, needed the same number in each: cut them alike")
    for start in range(0, lengths.pop(), size):
        yield [part[start : start + size] for part in data]


def _check_loader(loader: "DataLoader[Any]") -> None:
    """Refuse a loader that shuffles, drops rows or gives other values on a second look."""
    if not isinstance(loader.sampler, SequentialSampler):
        raise ValueError(
            f"the loader draws its rows by {type(loader.sampler).__name__}, and scores could not be joined to them: "
            "make one with shuffle=False and no sampler"
        )
    if loader.drop_last:
        raise ValueError("the loader drops the last rows, which then have no scores: make one with drop_last=False")
    first, again = next(iter(loader)), next(iter(loader))
    if not all(torch.equal(one, other) for one, other in zip(first, again, strict=True)):
        raise ValueError(
            "the loader gives other values when read again, so it augments its rows: turn the random transforms off"
        )
