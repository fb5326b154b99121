"""The whole Gauss-Newton matrix of the mean loss, written out: exact for linear models, for small ones only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.curvature.curvature import Written, check_damping
from culpa.influence.gradients import Rowwise
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.capture import Captured, capture
from culpa.influence.gradients.objective import Objective

__all__ = ["Dense", "fisher_gradients", "fit_dense"]

MOST_PARAMETERS = 10_000
DAMPING_SHARE = 0.1  # of the mean eigenvalue, by default: Grosse et al. 2023, section 2.2


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
        joined = torch.cat([gradients[name] for name in self.sizes], dim=1)
        solved = torch.cholesky_solve(joined.T.to(self.factor.dtype), self.factor).T.to(joined.dtype)
        return dict(zip(self.sizes, torch.split(solved, list(self.sizes.values()), dim=1), strict=True))

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i>, (rows,): the length of L^-1 g_i."""
        joined = torch.cat([gradients[name].written_out() for name in self.sizes], dim=1)
        halves = torch.linalg.solve_triangular(self.factor, joined.T.to(self.factor.dtype), upper=False)
        return halves.square().sum(0).to(joined.dtype)


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
    total: Tensor | None = None
    rows, sizes = 0, {}
    for found, count in fisher_gradients(module, objective, batches, seed, layers):
        sizes = {name: layer.parameters for name, layer in found.layers.items()}
        if sum(sizes.values()) > MOST_PARAMETERS:
            raise ValueError(
                f"the model has {sum(sizes.values()):,} parameters, the matrix is written out for {MOST_PARAMETERS:,} "
                "at most: take fit_ekfac, or restrict layers"
            )
        joined = torch.cat([layer.written_out() for layer in found.layers.values()], dim=1).double()
        total = joined.T @ joined if total is None else total + joined.T @ joined
        rows += count
    if total is None:
        raise ValueError("no batch came, at least one row is needed to fit a curvature")
    matrix = total / rows
    added = float(damping if damping is not None else DAMPING_SHARE * matrix.diagonal().mean())
    matrix.diagonal().add_(added)
    return Dense(_factor(matrix, added), sizes, added)


def fisher_gradients(
    module: nn.Module, objective: Objective, batches: Sequence[Batch], seed: int, layers: Sequence[str] | None
) -> Iterator[tuple[Captured, int]]:
    """Gradients whose outer products add up to rows times the matrix; beside each, how many rows are new with it."""
    chance = torch.Generator().manual_seed(seed)
    for batch in batches:
        fresh = len(batch[0])
        for losses in objective.fisher(module, batch, chance):
            yield capture(module, losses, batch, layers), fresh
            fresh = 0


def _factor(matrix: Tensor, added: float) -> Tensor:
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if int(failed) or not bool(torch.isfinite(factor).all()):
        raise ValueError(
            f"the Gauss-Newton matrix of {len(matrix)} parameters is not positive definite with damping {added:.3g}: "
            "gradients that are not finite, or too little damping, cause this; look at the losses, or raise damping"
        )
    return factor
