"""DataInf: the mean of the inverses instead of the inverse of the mean, which has a closed form.

H^-1 ~ mean over rows of (g g' + damping)^-1, layer by layer, and by Sherman and Morrison's formula

    H^-1 v = mean over rows of (v - g <g, v> / (damping + <g, g>)) / damping

with g a training row's own gradient. Nothing is factorized, but every solve meets all rows again. The swap is good
where gradients are short beside the damping; else each row takes out little more than its own direction, and influence
stays near the plain product of gradients. Source: Kwon et al. 2024, section 3, and its rule for the damping.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.curvature.curvature import Written, check_damping, damping_for
from culpa.influence.curvature.joined import check_known, written_in_blocks
from culpa.influence.curvature.passes import Passes, check_batches, kept_or_made
from culpa.influence.gradients import Captured, Rowwise, capture
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective

__all__ = ["DataInf", "fit_datainf"]


@dataclass(frozen=True)
class DataInf:
    """The training rows' gradients in their factors, to be met in every solve."""

    passes: Passes
    rows: int
    damping: Mapping[str, float]

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """H^-1 times each gradient, layer by layer."""
        check_known(gradients, self.damping)
        taken = {name: torch.zeros_like(written, dtype=torch.double) for name, written in gradients.items()}
        for found in self.passes:
            for name, written in gradients.items():
                layer = found.layers[name]
                taken[name] += layer.weighed((self._shares(name, layer)[:, None] * layer.along(written)).T)
        return {
            name: ((written - taken[name] / self.rows) / self.damping[name]).to(written.dtype)
            for name, written in gradients.items()
        }

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i>, (rows,): products with all training rows, rows x training rows in time, not in memory."""
        check_known(gradients, self.damping)
        parts = {name: layer.squares().double() for name, layer in gradients.items()}
        for found in self.passes:
            for name, layer in gradients.items():
                others = found.layers[name]
                parts[name] -= layer.dots(others).square() @ self._shares(name, others) / self.rows
        total = torch.stack([part.clip(0) / self.damping[name] for name, part in parts.items()]).sum(0)
        return total.to(next(iter(gradients.values())).squares().dtype)

    def lengths(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """|H^-1 g_i|, (rows,)."""
        blocks = (self.solve(written) for written in written_in_blocks(gradients))
        return torch.cat([torch.cat(list(solved.values()), dim=1).norm(dim=1) for solved in blocks])

    def _shares(self, name: str, layer: Rowwise) -> Tensor:
        """1 / (damping + <g, g>) of each training row, (rows,)."""
        return 1 / (self.damping[name] + layer.squares())


def fit_datainf(
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    *,
    seed: int,
    damping: float | None = None,
    layers: Sequence[str] | None = None,
) -> DataInf:
    """The gradients of all rows of `batches`; nothing is drawn.

    Damping is a tenth of each layer's mean squared gradient, by its number of parameters, if left out.
    """
    check_damping(damping)
    check_batches(batches)
    still = deepcopy(module)

    def make() -> Iterator[Captured]:
        return (capture(still, objective.losses, batch, layers) for batch in batches)

    passes = kept_or_made(make)
    rows = 0
    sums: dict[str, Tensor] = {}
    for found in passes:
        rows += len(found)
        for name, layer in found.layers.items():
            mean = layer.squares().double().sum() / layer.parameters
            sums[name] = sums[name] + mean if name in sums else mean
    added = {name: damping_for(f"layer {name!r}", damping, total / rows) for name, total in sums.items()}
    return DataInf(passes, rows, added)
