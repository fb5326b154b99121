"""What every curvature promises: a symmetric positive matrix, layer by layer or whole, whose inverse can be applied."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from culpa.influence.gradients import Rowwise

__all__ = ["Curvature", "Written", "check_damping"]

Written = Mapping[str, Tensor]  # layer -> written-out gradients, (rows, parameters)


class Curvature(Protocol):
    """H of the mean loss over the training rows, damping and all."""

    @property
    def damping(self) -> Mapping[str, float]:
        """What was added to the diagonal, by layer."""

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """H^-1 times each written-out gradient: (rows, parameters) to the same shape."""

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i> of each row, (rows,), never negative."""


def check_damping(damping: float | None) -> None:
    """Refuse a damping that would leave a singular matrix singular."""
    if damping is not None and not damping > 0:
        raise ValueError(
            f"damping must be positive, got {damping}: the Gauss-Newton matrix of a network is singular; leave it out "
            "for the default, or try 1e-3"
        )
