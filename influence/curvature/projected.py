"""The Gauss-Newton matrix on few axes of every layer: written out across all layers, however large the model.

H^-1 ~ P' (P G P' + damping)^-1 P, P the orthonormal axes of `projection`: the best step among those that the axes
allow, with all that layers do together, which K-FAC leaves out. A gradient's part off the axes is not seen at all.
Source: Choe et al. 2024 (LoGra), section 3; random axes in influence Park et al. 2023 (TRAK).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from culpa.influence.curvature.bases import eigenbases
from culpa.influence.curvature.curvature import Written, check_damping, damping_for
from culpa.influence.curvature.dense import MOST_PARAMETERS, cholesky
from culpa.influence.curvature.passes import check_batches, fisher_gradients
from culpa.influence.curvature.projection import SKETCH, WIDTHS, Projection, principal_projection, random_projection
from culpa.influence.gradients import Rowwise, capture
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective

__all__ = ["Projected", "fit_projected"]


@dataclass(frozen=True)
class Projected:
    """The axes, and the Cholesky factor of the matrix on them."""

    projection: Projection
    factor: Tensor  # (axes, axes), lower
    added: float

    @property
    def damping(self) -> Mapping[str, float]:
        """The same for every layer."""
        return dict.fromkeys(self.projection.layers, self.added)

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """H^-1 times each gradient, off the axes nought."""
        found = self.projection.back(self._solve(self.projection.project_written(gradients)))
        return {name: found[name].to(written.dtype) for name, written in gradients.items()}

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i>, (rows,)."""
        values = self.projection.project(gradients)
        halves = torch.linalg.solve_triangular(self.factor, values.T.to(self.factor.dtype), upper=False)
        return halves.square().sum(0).to(values.dtype)

    def lengths(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """|H^-1 g_i|, (rows,): on orthonormal axes the length of the projected step."""
        values = self.projection.project(gradients)
        return self._solve(values).norm(dim=1).to(values.dtype)

    def _solve(self, values: Tensor) -> Tensor:
        return torch.cholesky_solve(values.T.to(self.factor.dtype), self.factor).T


def fit_projected(
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    *,
    seed: int,
    damping: float | None = None,
    layers: Sequence[str] | None = None,
    axes: Literal["random", "principal"] = "random",
    widths: tuple[int, int] = WIDTHS,
    sketch: int = SKETCH,
) -> Projected:
    """The projected matrix over all rows of `batches`; damping is a tenth of its mean eigenvalue if left out.

    `widths` are the axes of each matrix layer's inputs and errors, `sketch` the buckets of any other layer. Principal
    axes cost one more pass over the rows. Errors: ValueError for more axes than a matrix is written out for.
    """
    check_damping(damping)
    check_batches(batches)
    if axes == "principal":
        bases = eigenbases(module, objective, batches, seed, layers)
        projection = principal_projection(bases, seed=seed, widths=widths, sketch=sketch)
    else:
        found = capture(module, objective.losses, next(iter(batches)), layers)
        projection = random_projection(found.layers, seed=seed, widths=widths, sketch=sketch)
    matrix = _matrix(projection, module, objective, batches, seed, layers)
    added = damping_for("the model on these axes", damping, matrix.diagonal().mean())
    matrix.diagonal().add_(added)
    return Projected(projection, cholesky(matrix, added), added)


def _matrix(
    projection: Projection,
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    seed: int,
    layers: Sequence[str] | None,
) -> Tensor:
    """P G P' of the mean loss, (axes, axes)."""
    count = sum(projection.widths.values())
    if count > MOST_PARAMETERS:
        raise ValueError(
            f"{count:,} axes came, the matrix on them is written out for {MOST_PARAMETERS:,} at most: take smaller "
            "widths, a smaller sketch, or restrict layers"
        )
    total, rows = torch.zeros(()), 0
    for found, fresh in fisher_gradients(module, objective, batches, seed, layers):
        values = projection.project(found.layers)
        total = total.to(values.device) + (values.T @ values).double()
        rows += fresh
    return total / rows
