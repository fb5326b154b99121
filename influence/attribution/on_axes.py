"""Gradients of a network's rows on few random axes, where they are small enough to be written out and compared at will.

What TRAK and TrackStar stand on: the axes are those of `curvature.projection`, each layer's own; all layers end to end
they have a second moment, mean v v', that is written out and factorized.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.curvature.curvature import damping_for
from culpa.influence.curvature.dense import MOST_PARAMETERS, cholesky
from culpa.influence.curvature.projection import SKETCH, WIDTHS, Projection, random_projection
from culpa.influence.gradients import Losses, capture
from culpa.influence.gradients.batches import Batch

__all__ = ["OnAxes", "damped_factor", "random_axes", "second_moment"]


@dataclass(frozen=True)
class OnAxes:
    """A network, those of its layers that are looked at, and the axes."""

    module: nn.Module
    layers: Sequence[str] | None
    projection: Projection

    def project(self, losses: Losses, batch: Batch) -> Tensor:
        """Gradients of these numbers of a batch's rows, (rows, axes)."""
        return self.projection.project(capture(self.module, losses, batch, self.layers).layers)


def random_axes(
    module: nn.Module,
    losses: Losses,
    batch: Batch,
    layers: Sequence[str] | None,
    *,
    seed: int,
    widths: tuple[int, int] = WIDTHS,
    sketch: int = SKETCH,
) -> OnAxes:
    """Random axes for this network; one row of `batch` tells the shapes of its layers.

    Errors: ValueError for more axes than their second moment is written out for.
    """
    found = capture(module, losses, [part[:1] for part in batch], layers)
    projection = random_projection(found.layers, seed=seed, widths=widths, sketch=sketch)
    axes = sum(projection.widths.values())
    if axes > MOST_PARAMETERS:
        raise ValueError(
            f"{axes:,} axes came of {len(found.layers)} layers, their second moment is written out for "
            f"{MOST_PARAMETERS:,} at most: restrict layers, or take smaller widths and a smaller sketch"
        )
    return OnAxes(module, layers, projection)


def second_moment(parts: Iterable[Tensor]) -> Tensor:
    """Mean v v' over the rows of all parts, (rows, axes) each: (axes, axes), in double precision."""
    total, rows = torch.zeros(()), 0
    for values in parts:
        total, rows = total.to(values.device) + (values.T @ values).double(), rows + len(values)
    return total / rows


def damped_factor(moment: Tensor, damping: float | None) -> Tensor:
    """The lower Cholesky factor of moment + damping, which is a tenth of the mean eigenvalue if left out."""
    added = damping_for("the gradients on these axes", damping, moment.diagonal().mean())
    return cholesky(moment + added * torch.eye(len(moment), dtype=moment.dtype, device=moment.device), added)
