"""The exact Hessian of a linear model, or of the last layer of a network: every class with every class, nothing drawn.

H = mean over rows of S_i (x) x_i x_i' + damping, S_i the curvature of a row's loss in its scores. Formula and code are
those of the linear proxy: `linear.exact` sums H up and inverts it, `linear.products` gives every row's x' (H^-1)_kl x
in one matrix product. Where inputs outnumber rows, all is done inside the span of the rows (`linear.wide`); off it
H is nothing but damping.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from culpa.influence.curvature.curvature import Written, check_damping, damping_for
from culpa.influence.curvature.joined import check_same, join, written_in_blocks
from culpa.influence.curvature.linear_layer import linear_layer
from culpa.influence.curvature.passes import check_batches
from culpa.influence.gradients import Outer, Rowwise, capture
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective
from culpa.influence.linear.exact import ExactCurvature, curvature_sum, invert
from culpa.influence.linear.heads import Array, Head
from culpa.influence.linear.problem import Problem
from culpa.influence.linear.products import blocks, packed_width
from culpa.influence.linear.wide import narrow_axes

__all__ = ["Exact", "fit_exact"]

MOST_PARAMETERS = 25_000  # five gigabytes, and as much again while it is inverted


@dataclass(frozen=True)
class Exact:
    """H^-1 of the mean loss on the axes of the rows' span."""

    name: str
    curvature: ExactCurvature
    width: int  # inputs of the layer, the bias among them
    axes: Array | None  # (width, rank), orthonormal; None where the rows span everything
    added: float

    @property
    def damping(self) -> Mapping[str, float]:
        """Of the one layer."""
        return {self.name: self.added}

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """H^-1 times each gradient."""
        written = join(gradients, self._sizes)
        matrices = written.double().cpu().numpy().reshape(-1, self.curvature.outputs, self.width)
        inside = self._inside(matrices)
        solved = self.curvature.solve(inside)
        if self.axes is not None:
            solved = solved @ self.axes.T + (matrices - inside @ self.axes.T) / self.added
        return {self.name: torch.as_tensor(solved).reshape(written.shape).to(written)}

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i>, (rows,), from the factors."""
        check_same(gradients, self._sizes)
        layer = gradients[self.name]
        assert isinstance(layer, Outer)
        inputs, errors = (part.flatten(0, 1).cpu().numpy() for part in (layer.inputs, layer.errors))
        forms = self.curvature.forms(inputs.dtype)
        found = np.empty(len(inputs), inputs.dtype)
        for rows in blocks(len(inputs), packed_width(self.width)):
            inside = self._inside(inputs[rows])
            off = np.square(inputs[rows]).sum(1) - np.square(inside).sum(1) if self.axes is not None else 0
            own = self.curvature.own(forms(np.ascontiguousarray(inside.T)), errors[rows])
            found[rows] = own + off * np.square(errors[rows]).sum(1) / self.added
        return torch.as_tensor(found).clip(0).to(layer.errors)

    def lengths(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """|H^-1 g_i|, (rows,)."""
        return torch.cat([self.solve(written)[self.name].norm(dim=1) for written in written_in_blocks(gradients)])

    @property
    def _sizes(self) -> dict[str, int]:
        return {self.name: self.curvature.outputs * self.width}

    def _inside(self, values: Array) -> Array:
        """On the axes, (..., width) to (..., rank)."""
        return values if self.axes is None else values @ self.axes


def fit_exact(
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    *,
    seed: int,
    damping: float | None = None,
    layers: Sequence[str] | None = None,
) -> Exact:
    """The Hessian over all rows of `batches`; damping is a tenth of its mean eigenvalue if left out. Nothing is drawn.

    Errors: ValueError unless gradients are those of one Linear layer that gives the module's own scores, and for more
    parameters than can be inverted.
    """
    check_damping(damping)
    check_batches(batches)
    layer = linear_layer(module, objective, capture(module, objective.losses, next(iter(batches)), layers).layers)
    weights, rows = layer.weights, sum(len(batch[0]) for batch in batches)
    width, axes = weights.shape[1], None
    inputs: Iterable[Array] = (layer.inputs(batch) for batch in batches)
    if rows < width:
        together = np.concatenate(list(inputs))
        axes = narrow_axes(together)
        assert axes is not None
        inputs, weights = [together @ axes], weights @ axes
    matrix = _hessian_sum(inputs, weights, layer.head) / rows
    added = damping_for(f"layer {layer.name!r}", damping, torch.as_tensor(matrix.trace() / layer.weights.size))
    matrix[np.diag_indices_from(matrix)] += added
    inverse = np.ascontiguousarray(invert(matrix))  # row by row, as it comes back from a store
    return Exact(layer.name, ExactCurvature(inverse, len(weights)), width, axes, added)


def _hessian_sum(inputs: Iterable[Array], weights: NDArray[np.float64], head: Head) -> NDArray[np.float64]:
    """Sum over rows of S (x) x x', (outputs width, outputs width). A proxy's intercept is left out again."""
    outputs, width = weights.shape
    if weights.size > MOST_PARAMETERS:
        raise ValueError(
            f"the layer has {weights.size:,} parameters on the rows' span, its Hessian is inverted for "
            f"{MOST_PARAMETERS:,} at most: take fit_ekfac"
        )
    padded = np.concatenate([weights, np.zeros((outputs, 1))], axis=1)
    total = np.zeros((padded.size, padded.size))
    for features in inputs:
        problem = Problem(features, np.zeros(len(features)), head, np.zeros(width + 1))
        total += curvature_sum(problem, padded, lambda scores, _: head.curvatures(scores))
    cells = total.reshape(outputs, width + 1, outputs, width + 1)[:, :-1, :, :-1]
    return cells.reshape(outputs * width, outputs * width)
