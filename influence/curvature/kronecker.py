"""K-FAC and EK-FAC: the curvature of each layer as a Kronecker product, in whose eigenbasis every step is a product.

A layer's inputs and errors taken as independent, its curvature is A (x) S with A the mean of x x' over all positions of
a row, S that of e e'. K-FAC keeps the products of their eigenvalues; EK-FAC keeps the eigenbasis and measures the
curvature along each of its axes, the best diagonal in that basis. An Embedding, and the scales and shifts of a norm,
get the diagonal on the axes as they are. Source: Martens & Grosse 2015; George et al. 2018; Grosse et al. 2023.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.curvature.bases import Basis, curvatures_along, eigenbases
from culpa.influence.curvature.curvature import Written, check_damping, damping_for
from culpa.influence.curvature.joined import check_known
from culpa.influence.gradients import Rowwise
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective

__all__ = ["Kronecker", "fit_ekfac", "fit_kfac"]


@dataclass(frozen=True)
class Kronecker:
    """Every layer's eigenbasis, the curvature along its axes, and the damping added to it."""

    bases: Mapping[str, Basis]
    curvatures: Mapping[str, Tensor]  # (parameters,) of each layer, damping in it
    damping: Mapping[str, float]

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """H^-1 times each gradient, layer by layer."""
        check_known(gradients, self.bases)
        return {name: self._solve(name, written) for name, written in gradients.items()}

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i>, (rows,)."""
        return self._weighed_squares(gradients, power=1)

    def lengths(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """|H^-1 g_i|, (rows,)."""
        return self._weighed_squares(gradients, power=2).sqrt()

    def _weighed_squares(self, gradients: Mapping[str, Rowwise], power: int) -> Tensor:
        check_known(gradients, self.bases)
        turned = {name: self.bases[name].turn(layer) for name, layer in gradients.items()}
        parts = [layer.weighed_squares(self.curvatures[name] ** -power) for name, layer in turned.items()]
        return torch.stack(parts).sum(0)

    def _solve(self, name: str, written: Tensor) -> Tensor:
        return self.bases[name].solve(written, self.curvatures[name]).to(written.dtype)


def fit_ekfac(
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    *,
    seed: int,
    damping: float | None = None,
    layers: Sequence[str] | None = None,
) -> Kronecker:
    """EK-FAC over all rows of `batches`, in two passes; damping is a tenth of each layer's mean curvature if left out.

    Errors: ValueError for curvatures that are not finite.
    """
    check_damping(damping)
    bases = eigenbases(module, objective, batches, seed, layers)
    return _damped(bases, curvatures_along(bases, module, objective, batches, seed, layers), damping)


def fit_kfac(
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    *,
    seed: int,
    damping: float | None = None,
    layers: Sequence[str] | None = None,
) -> Kronecker:
    """K-FAC over all rows of `batches`, in one pass; damping and errors as of `fit_ekfac`."""
    check_damping(damping)
    bases = eigenbases(module, objective, batches, seed, layers)
    return _damped(bases, {name: basis.products for name, basis in bases.items()}, damping)


def _damped(bases: Mapping[str, Basis], found: Mapping[str, Tensor], damping: float | None) -> Kronecker:
    added = {name: damping_for(f"layer {name!r}", damping, values.mean()) for name, values in found.items()}
    return Kronecker(bases, {name: values + added[name] for name, values in found.items()}, added)
