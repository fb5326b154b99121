"""The whole Gauss-Newton matrix of the mean loss, written out: exact for linear models, for small ones only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.curvature.curvature import Written, check_damping, damping_for
from culpa.influence.curvature.joined import join, split, written_in_blocks
from culpa.influence.curvature.passes import fisher_gradients
from culpa.influence.gradients import Rowwise
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective

__all__ = ["Dense", "cholesky", "fit_dense"]

MOST_PARAMETERS = 10_000


@dataclass(frozen=True)
class Dense:
    """The matrix's Cholesky factor over all layers' parameters, one after the other."""

    factor: Tensor  # (parameters, parameters), lower
    sizes: Mapping[str, int]
    added: float

    @property
    def damping(self) -> Mapping[str, float]:
        """The same for every layer."""
        return dict.fromkeys(self.sizes, self.added)

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """H^-1 times each gradient."""
        joined = join(gradients, self.sizes)
        return split(self._solve(joined).to(joined.dtype), self.sizes)

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i>, (rows,): the squared length of L^-1 g_i."""
        blocks = (join(written, self.sizes) for written in written_in_blocks(gradients))
        return torch.cat([self._halves(block).square().sum(0).to(block.dtype) for block in blocks])

    def lengths(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """|H^-1 g_i|, (rows,)."""
        blocks = (join(written, self.sizes) for written in written_in_blocks(gradients))
        return torch.cat([self._solve(block).norm(dim=1).to(block.dtype) for block in blocks])

    def _solve(self, joined: Tensor) -> Tensor:
        return torch.cholesky_solve(joined.T.to(self.factor.dtype), self.factor).T

    def _halves(self, joined: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.factor, joined.T.to(self.factor.dtype), upper=False)


def fit_dense(
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    *,
    seed: int,
    damping: float | None = None,
    layers: Sequence[str] | None = None,
) -> Dense:
    """The Gauss-Newton matrix over all rows of `batches`, and damping: a tenth of its mean eigenvalue if left out.

    Errors: ValueError for a model too large to be written out, and for a matrix that is not finite.
    """
    check_damping(damping)
    total = torch.zeros(())
    rows, sizes = 0, {}
    for found, fresh in fisher_gradients(module, objective, batches, seed, layers):
        sizes = {name: layer.parameters for name, layer in found.layers.items()}
        _check_size(sum(sizes.values()))
        for written in written_in_blocks(found.layers):
            block = join(written, sizes).double()
            total = total.to(block) + block.T @ block
        rows += fresh
    matrix = total / rows
    added = damping_for("the model", damping, matrix.diagonal().mean())
    matrix.diagonal().add_(added)
    return Dense(cholesky(matrix, added), sizes, added)


def cholesky(matrix: Tensor, added: float) -> Tensor:
    """The lower factor of a curvature, laid out row by row. Errors: ValueError where there is none."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if int(failed) or not bool(torch.isfinite(factor).all()):
        raise ValueError(
            f"the Gauss-Newton matrix of {len(matrix)} parameters is not positive definite with damping {added:.3g}: "
            "gradients that are not finite, or too little damping, cause this; look at the losses, or raise damping"
        )
    return factor.contiguous()


def _check_size(parameters: int) -> None:
    if parameters > MOST_PARAMETERS:
        raise ValueError(
            f"the model has {parameters:,} parameters, the matrix is written out for {MOST_PARAMETERS:,} at most: take "
            "fit_ekfac, or restrict layers"
        )
