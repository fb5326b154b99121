"""Influence in a torch model: gradients of single rows, divided by a curvature, against reference rows.

influence(i, v) = <g_v, H^-1 g_i> / n, H the curvature of the mean training loss and n the rows it was fitted on: the
sign and unit of the package. With the plain product of gradients (`curvature.Identity`) this is TracIn's dot product
at one checkpoint, divided by n. Gradients of the training rows stay in their factors; only the solved gradients of a
batch of reference rows are written out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.curvature import Curvature
from culpa.influence.gradients import Losses, Objective, Rowwise, capture
from culpa.influence.gradients.batches import Batch

__all__ = ["NetworkInfluence", "Rows", "mean_gradient"]

Rows = Batch | Mapping[str, Rowwise]  # training rows, or their gradients, captured before


@dataclass(frozen=True)
class NetworkInfluence:
    """A trained module, what it was trained for, and the curvature of its training loss."""

    module: nn.Module
    objective: Objective
    curvature: Curvature
    rows: int  # n, the rows of the training
    layers: Sequence[str] | None = None  # those that the curvature was fitted on
    target: Losses | None = None  # what of a reference row is asked about; None: its loss

    def between(self, training: Sequence[Rows], reference: Sequence[Batch]) -> Tensor:
        """influence(i, v) of all pairs, (training rows, reference rows), units of the loss, positive helps."""
        return torch.cat([self._columns(training, batch) for batch in reference], dim=1)

    def on_mean(self, training: Sequence[Rows], reference: Sequence[Batch]) -> Tensor:
        """Influence on the mean reference loss, (training rows,), positive helps: one direction for all of them."""
        mean = mean_gradient(self._reference(batch) for batch in reference)
        return self._against(training, mean)[:, 0]

    def own(self, training: Sequence[Rows]) -> Tensor:
        """Self-influence of each row, (training rows,), never negative."""
        return torch.cat([self.curvature.squares(self._training(batch)) / self.rows for batch in training])

    def _columns(self, training: Sequence[Rows], batch: Batch) -> Tensor:
        """Influence of all training rows on one batch of reference rows."""
        return self._against(training, {name: layer.written_out() for name, layer in self._reference(batch).items()})

    def _against(self, training: Sequence[Rows], directions: dict[str, Tensor]) -> Tensor:
        solved = self.curvature.solve(directions)
        parts = []
        for batch in training:
            products = [layer.along(solved[name]) for name, layer in self._training(batch).items()]
            parts.append(torch.stack(products).sum(0) / self.rows)
        return torch.cat(parts)

    def _training(self, batch: Rows) -> Mapping[str, Rowwise]:
        if isinstance(batch, Mapping):
            return batch
        return capture(self.module, self.objective.losses, batch, self.layers).layers

    def _reference(self, batch: Batch) -> Mapping[str, Rowwise]:
        return capture(self.module, self.target or self.objective.losses, batch, self.layers).layers


def mean_gradient(batches: Iterable[Mapping[str, Rowwise]]) -> dict[str, Tensor]:
    """Mean over all rows of their gradients, by layer, written out: (1, parameters)."""
    total: dict[str, Tensor] = {}
    rows = 0
    for batch in batches:
        rows += len(next(iter(batch.values())))
        for name, layer in batch.items():
            found = layer.weighed(torch.ones(1, len(layer)))
            total[name] = total[name] + found if name in total else found
    return {name: summed / rows for name, summed in total.items()}
