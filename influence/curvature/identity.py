"""No curvature: influence becomes the plain product of gradients, as in TracIn."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from culpa.influence.curvature.curvature import Written
from culpa.influence.gradients import Rowwise

__all__ = ["Identity"]


@dataclass(frozen=True)
class Identity:
    """H = 1."""

    @property
    def damping(self) -> Mapping[str, float]:
        """None is needed."""
        return {}

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """The gradients themselves."""
        return dict(gradients)

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, g_i> over all layers, (rows,)."""
        return torch.stack([layer.squares() for layer in gradients.values()]).sum(0)
