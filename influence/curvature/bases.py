"""The eigenbasis of each layer's Kronecker factors: the axes that K-FAC, EK-FAC and principal projections stand on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.curvature.curvature import check_finite
from culpa.influence.curvature.passes import fisher_gradients
from culpa.influence.gradients import Outer, Rowwise
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective

__all__ = ["Basis", "curvatures_along", "eigenbases"]

Moments = tuple[Tensor, ...]  # sums of x x' and of e e', or of the squared gradients alone


@dataclass(frozen=True)
class Basis:
    """The eigenbasis of one layer, eigenvalues ascending; None stands for the axes as they are."""

    axes: tuple[Tensor, Tensor] | None  # columns: (in, in) and (out, out)
    products: Tensor  # (parameters,) K-FAC's eigenvalues, or the diagonal

    def turn(self, layer: Rowwise, like: Rowwise | None = None) -> Rowwise:
        """Gradients into the basis; the inputs are those of `like` where another pass of the batch turned them."""
        if self.axes is None or not isinstance(layer, Outer):
            return layer
        if isinstance(like, Outer):
            return Outer(like.inputs, layer.errors @ self.axes[1].to(layer.errors.dtype))
        return layer.turned(*self.axes)

    def solve(self, written: Tensor, curvature: Tensor) -> Tensor:
        """Written-out gradients (rows, parameters) into the basis, divided, and back."""
        if self.axes is None:
            return written / curvature
        inputs, errors = self.axes
        matrices = written.to(inputs.dtype).reshape(len(written), len(errors), len(inputs))
        divided = (errors.mT @ matrices @ inputs) / curvature.reshape(len(errors), len(inputs))
        return (errors @ divided @ inputs.mT).flatten(1)


def eigenbases(
    module: nn.Module, objective: Objective, batches: Sequence[Batch], seed: int, layers: Sequence[str] | None
) -> dict[str, Basis]:
    """The eigenbases, from the mean x x' and e e' over all rows of `batches`."""
    sums: dict[str, Moments] = {}
    rows = 0
    for found, fresh in fisher_gradients(module, objective, batches, seed, layers):
        rows += fresh
        for name, layer in found.layers.items():
            moments = _moments(layer, with_inputs=fresh > 0)
            sums[name] = tuple(map(torch.add, sums[name], moments)) if name in sums else moments
    return {name: _basis(name, [total / rows for total in totals]) for name, totals in sums.items()}


def curvatures_along(
    bases: Mapping[str, Basis],
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    seed: int,
    layers: Sequence[str] | None,
) -> dict[str, Tensor]:
    """The mean square of the gradients along each axis of the bases, (parameters,) by layer."""
    sums = {name: torch.zeros_like(basis.products) for name, basis in bases.items()}
    rows = 0
    first: dict[str, Rowwise] = {}  # of a batch's passes, whose inputs the others share
    for found, fresh in fisher_gradients(module, objective, batches, seed, layers):
        rows += fresh
        first = {} if fresh else first
        for name, layer in found.layers.items():
            first[name] = bases[name].turn(layer, first.get(name))
            sums[name] += first[name].summed_squares()
    return {name: total / rows for name, total in sums.items()}


def _moments(layer: Rowwise, with_inputs: bool) -> Moments:
    """Sums over rows and positions of x x' and e e'; of the squares where the axes stay.

    The passes of a batch share their inputs, whose moment is taken once; their errors add up.
    """
    if not isinstance(layer, Outer):
        return (layer.summed_squares(),)
    errors = layer.errors.flatten(0, 1)
    if not with_inputs:
        return torch.zeros((), dtype=torch.double, device=errors.device), (errors.T @ errors).double()
    inputs = layer.inputs.flatten(0, 1)
    return (inputs.T @ inputs).double() / layer.inputs.shape[1], (errors.T @ errors).double()


def _basis(name: str, means: Sequence[Tensor]) -> Basis:
    for part in means:
        check_finite(f"layer {name!r}", part)
    if len(means) == 1:
        return Basis(None, means[0])
    (input_values, input_axes), (error_values, error_axes) = map(torch.linalg.eigh, means)
    axes = input_axes.contiguous(), error_axes.contiguous()
    return Basis(axes, torch.outer(error_values.clip(0), input_values.clip(0)).flatten())
