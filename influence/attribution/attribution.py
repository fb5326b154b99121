"""What every method promises: scores of the training rows of one training, whatever way it comes by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from culpa.influence.gradients import in_order
from culpa.influence.gradients.batches import Batch

__all__ = ["Attribution", "ByGradients", "OverRows"]

BATCH = 512  # reference rows whose gradients are written out at once


class Attribution(Protocol):
    """Positive helps: removing a training row of positive score makes the reference row worse."""

    def between(self, reference: Batch) -> Tensor:
        """Score of every training row on every reference row, (training rows, reference rows)."""

    def on_mean(self, reference: Batch) -> Tensor:
        """Score of every training row on the mean of the reference rows, (training rows,)."""

    def own(self) -> Tensor:
        """Score of every training row on itself, (training rows,): how much the fit there rests on the row."""


class ByGradients(Protocol):
    """A method that needs no training again, and scores any rows on any others."""

    def between(self, training: Sequence[Any], reference: Sequence[Batch]) -> Tensor:
        """(training rows, reference rows)."""

    def on_mean(self, training: Sequence[Any], reference: Sequence[Batch]) -> Tensor:
        """(training rows,)."""

    def own(self, training: Sequence[Any]) -> Tensor:
        """(training rows,)."""


@dataclass(frozen=True)
class OverRows:
    """A gradient method, asked about the rows of one training."""

    method: ByGradients
    rows: Sequence[Any]  # batches, as the method takes them

    def between(self, reference: Batch) -> Tensor:
        """(training rows, reference rows), positive helps."""
        return self.method.between(self.rows, list(in_order(reference, BATCH)))

    def on_mean(self, reference: Batch) -> Tensor:
        """(training rows,), positive helps."""
        return self.method.on_mean(self.rows, list(in_order(reference, BATCH)))

    def own(self) -> Tensor:
        """(training rows,), never negative."""
        return self.method.own(self.rows)
