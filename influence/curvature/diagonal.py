"""The diagonal of the Gauss-Newton matrix: each parameter's own curvature and nothing between two of them.

H = mean over rows of the squared gradients + damping, parameter by parameter. As cheap as it gets, blind to everything
that parameters do together, and K-FAC costs little more. Source: LeCun et al. 1989, with the Gauss-Newton matrix.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.curvature.curvature import Written, check_damping, damping_for
from culpa.influence.curvature.joined import check_known
from culpa.influence.curvature.passes import fisher_gradients
from culpa.influence.gradients import Rowwise
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective

__all__ = ["Diagonal", "fit_diagonal"]


@dataclass(frozen=True)
class Diagonal:
    """One number per parameter."""

    curvatures: Mapping[str, Tensor]  # (parameters,) of each layer, damping in it
    damping: Mapping[str, float]

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """Each gradient, parameter by parameter divided."""
        check_known(gradients, self.curvatures)
        return {name: (written / self.curvatures[name]).to(written.dtype) for name, written in gradients.items()}

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i>, (rows,)."""
        return self._weighed_squares(gradients, power=1)

    def lengths(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """|H^-1 g_i|, (rows,)."""
        return self._weighed_squares(gradients, power=2).sqrt()

    def _weighed_squares(self, gradients: Mapping[str, Rowwise], power: int) -> Tensor:
        check_known(gradients, self.curvatures)
        parts = [layer.weighed_squares(self.curvatures[name] ** -power) for name, layer in gradients.items()]
        return torch.stack(parts).sum(0)


def fit_diagonal(
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    *,
    seed: int,
    damping: float | None = None,
    layers: Sequence[str] | None = None,
) -> Diagonal:
    """The diagonal over all rows of `batches`, and damping: a tenth of each layer's mean curvature if left out.

    Errors: ValueError for curvatures that are not finite.
    """
    check_damping(damping)
    sums: dict[str, Tensor] = {}
    rows = 0
    for found, fresh in fisher_gradients(module, objective, batches, seed, layers):
        rows += fresh
        for name, layer in found.layers.items():
            squares = layer.summed_squares()
            sums[name] = sums[name] + squares if name in sums else squares
    means = {name: total / rows for name, total in sums.items()}
    added = {name: damping_for(f"layer {name!r}", damping, values.mean()) for name, values in means.items()}
    return Diagonal({name: values + added[name] for name, values in means.items()}, added)
