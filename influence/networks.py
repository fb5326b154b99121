"""Influence in a torch model: gradients of single rows, divided by a curvature, against reference rows.

influence(i, v) = <g_v, H^-1 g_i> / n, H the curvature of the mean training loss and n the rows it was fitted on: the
sign and unit of the package. With the plain product of gradients (`curvature.Identity`) this is TracIn's dot product
at one checkpoint, divided by n. Gradients of the training rows stay in their factors; only the solved gradients of a
batch of reference rows are written out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.curvature import Curvature
from culpa.influence.gradients import Objective, capture
from culpa.influence.gradients.batches import Batch

__all__ = ["NetworkInfluence"]


@dataclass(frozen=True)
class NetworkInfluence:
    """A trained module, what it was trained for, and the curvature of its training loss."""

    module: nn.Module
    objective: Objective
    curvature: Curvature
    rows: int  # n, the rows of the training
    layers: Sequence[str] | None = None  # those that the curvature was fitted on

    def between(self, training: Sequence[Batch], reference: Sequence[Batch]) -> Tensor:
        """influence(i, v) of all pairs, (training rows, reference rows), units of the loss, positive helps."""
        return torch.cat([self._columns(training, batch) for batch in reference], dim=1)

    def on_mean(self, training: Sequence[Batch], reference: Sequence[Batch]) -> Tensor:
        """Influence on the mean reference loss, (training rows,), positive helps: one direction for all of them."""
        total: dict[str, Tensor] = {}
        count = 0
        for batch in reference:
            found, count = capture(self.module, self.objective.losses, batch, self.layers), count + len(batch[0])
            for name, layer in found.layers.items():
                ones = torch.ones(1, len(layer), dtype=found.losses.dtype, device=found.losses.device)
                total[name] = total.get(name, torch.zeros(())) + layer.weighed(ones)
        return self._against(training, {name: one / count for name, one in total.items()})[:, 0]

    def own(self, training: Sequence[Batch]) -> Tensor:
        """Self-influence of each row, (training rows,), never negative."""
        parts = []
        for batch in training:
            found = capture(self.module, self.objective.losses, batch, self.layers)
            parts.append(self.curvature.squares(found.layers) / self.rows)
        return torch.cat(parts)

    def _columns(self, training: Sequence[Batch], batch: Batch) -> Tensor:
        """Influence of all training rows on one batch of reference rows."""
        found = capture(self.module, self.objective.losses, batch, self.layers)
        return self._against(training, {name: layer.written_out() for name, layer in found.layers.items()})

    def _against(self, training: Sequence[Batch], directions: dict[str, Tensor]) -> Tensor:
        solved = self.curvature.solve(directions)
        parts = []
        for batch in training:
            found = capture(self.module, self.objective.losses, batch, self.layers)
            products = [layer.along(solved[name]) for name, layer in found.layers.items()]
            parts.append(torch.stack(products).sum(0) / self.rows)
        return torch.cat(parts)
