"""K-FAC and EK-FAC: the curvature of each layer as a Kronecker product, in whose eigenbasis every step is a product.

A layer's inputs and errors taken as independent, its curvature is A (x) S with A the mean of x x' over all positions of
a row, S that of e e'. K-FAC keeps the products of their eigenvalues; EK-FAC keeps the eigenbasis and measures the
curvature along each of its axes, the best diagonal in that basis. An Embedding, and the scales and shifts of a norm,
get the diagonal on the axes as they are. Source: Martens & Grosse 2015; George et al. 2018; Grosse et al. 2023.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from culpa.influence.curvature.curvature import Written, check_damping
from culpa.influence.curvature.dense import DAMPING_SHARE, fisher_gradients
from culpa.influence.gradients import Outer, Rowwise
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective

__all__ = ["Kronecker", "fit_ekfac", "fit_kfac"]

Moments = tuple[Tensor, ...]  # sums of x x' and of e e', or of the squared gradients alone


@dataclass(frozen=True)
class _Basis:
    """The eigenbasis of one layer; None stands for the axes as they are."""

    axes: tuple[Tensor, Tensor] | None  # columns: (in, in) and (out, out)
    products: Tensor  # (parameters,) K-FAC's eigenvalues, or the diagonal

    def turn(self, layer: Rowwise) -> Rowwise:
        """Gradients into the basis."""
        return layer.turned(*self.axes) if self.axes is not None and isinstance(layer, Outer) else layer

    def solve(self, written: Tensor, curvature: Tensor) -> Tensor:
        """Written-out gradients (rows, parameters) into the basis, divided, and back."""
        if self.axes is None:
            return written / curvature
        inputs, errors = self.axes
        matrices = written.to(inputs.dtype).reshape(len(written), len(errors), len(inputs))
        divided = (errors.mT @ matrices @ inputs) / curvature.reshape(len(errors), len(inputs))
        return (errors @ divided @ inputs.mT).flatten(1)


@dataclass(frozen=True)
class Kronecker:
    """Every layer's eigenbasis, the curvature along its axes, and the damping added to it."""

    bases: Mapping[str, _Basis]
    curvatures: Mapping[str, Tensor]  # (parameters,) of each layer, damping in it
    damping: Mapping[str, float]

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """H^-1 times each gradient, layer by layer."""
        return {name: self._solve(name, written) for name, written in gradients.items()}

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i>, (rows,)."""
        return torch.stack([self._squares(name, layer) for name, layer in gradients.items()]).sum(0)

    def _squares(self, name: str, layer: Rowwise) -> Tensor:
        return self.bases[name].turn(layer).weighed_squares(1 / self.curvatures[name])

    def _solve(self, name: str, written: Tensor) -> Tensor:
        return self.bases[name].solve(written, self.curvatures[name]).to(written.dtype)


def fit_ekfac(module: nn.Module, objective: Objective, batches: Sequence[Batch], **options: Any) -> Kronecker:
    """EK-FAC over all rows of `batches`. Options as of `fit_kfac`. Two passes over the rows."""
    return _fit(module, objective, batches, corrected=True, **options)


def fit_kfac(module: nn.Module, objective: Objective, batches: Sequence[Batch], **options: Any) -> Kronecker:
    """K-FAC over all rows of `batches`: one pass.

    Options: `seed` of the labels drawn where there are many classes; `damping`, a tenth of each layer's mean curvature
    if left out; `layers` by name. Errors: ValueError for curvatures that are not finite.
    """
    return _fit(module, objective, batches, corrected=False, **options)


def _fit(
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    *,
    corrected: bool,
    seed: int,
    damping: float | None = None,
    layers: Sequence[str] | None = None,
) -> Kronecker:
    check_damping(damping)
    bases = _bases(module, objective, batches, seed, layers)
    found = {name: basis.products for name, basis in bases.items()}
    if corrected:
        found = _corrected(bases, module, objective, batches, seed, layers)
    _check_finite(found)
    added = {name: float(damping or DAMPING_SHARE * values.mean()) for name, values in found.items()}
    return Kronecker(bases, {name: values + added[name] for name, values in found.items()}, added)


def _bases(
    module: nn.Module, objective: Objective, batches: Sequence[Batch], seed: int, layers: Sequence[str] | None
) -> dict[str, _Basis]:
    """The eigenbases, from the sums of x x' and e e'."""
    sums: dict[str, Moments] = {}
    rows, passes = 0, 0
    for found, fresh in fisher_gradients(module, objective, batches, seed, layers):
        rows, passes = rows + fresh, passes + len(found)
        for name, layer in found.layers.items():
            moments = _moments(layer)
            sums[name] = tuple(map(torch.add, sums[name], moments)) if name in sums else moments
    if not rows:
        raise ValueError("no batch came, at least one row is needed to fit a curvature")
    return {name: _basis(total, rows, passes) for name, total in sums.items()}


def _moments(layer: Rowwise) -> Moments:
    """Sums over rows and positions of x x' and e e'; of the squares where the axes stay."""
    if isinstance(layer, Outer):
        inputs, errors = layer.inputs.flatten(0, 1), layer.errors.flatten(0, 1)
        return (inputs.T @ inputs).double() / layer.inputs.shape[1], (errors.T @ errors).double()
    return (layer.summed_squares(),)


def _basis(total: Moments, rows: int, passes: int) -> _Basis:
    """Inputs come once a pass, errors add up over the passes of a row."""
    if len(total) == 1:
        return _Basis(None, total[0] / rows)
    (input_values, input_axes), (error_values, error_axes) = (
        torch.linalg.eigh(part) for part in (total[0] / passes, total[1] / rows)
    )
    return _Basis((input_axes, error_axes), torch.outer(error_values.clip(0), input_values.clip(0)).flatten())


def _corrected(
    bases: Mapping[str, _Basis],
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    seed: int,
    layers: Sequence[str] | None,
) -> dict[str, Tensor]:
    """The mean square of the gradients along each axis of the bases."""
    sums = {name: torch.zeros_like(basis.products) for name, basis in bases.items()}
    rows = 0
    for found, fresh in fisher_gradients(module, objective, batches, seed, layers):
        rows += fresh
        for name, layer in found.layers.items():
            sums[name] += bases[name].turn(layer).summed_squares()
    return {name: total / rows for name, total in sums.items()}


def _check_finite(curvatures: Mapping[str, Tensor]) -> None:
    for name, values in curvatures.items():
        if not bool(torch.isfinite(values).all()):
            raise ValueError(
                f"the curvature of layer {name!r} is not finite: losses or activations overflow there; look at the "
                "losses, or train with smaller steps"
            )
