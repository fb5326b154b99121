"""What every curvature promises: a symmetric positive matrix, layer by layer or whole, whose inverse can be applied."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from culpa.influence.gradients import Rowwise
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective

__all__ = ["Curvature", "Fit", "Written", "check_damping", "check_finite", "damping_for"]

Written = Mapping[str, Tensor]  # layer -> written-out gradients, (rows, parameters)

LEAST_MEAN = torch.finfo(torch.float).tiny  # of a curvature: less is nought in single precision
DAMPING_SHARE = 0.1  # of the mean eigenvalue, by default: Grosse et al. 2023, section 2.2


class Curvature(Protocol):
    """H of the mean loss over the training rows, damping and all."""

    @property
    def damping(self) -> Mapping[str, float]:
        """What was added to the diagonal, by layer."""

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """H^-1 times each written-out gradient: (rows, parameters) to the same shape."""

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i> of each row, (rows,), never negative."""

    def lengths(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """|H^-1 g_i|: how far each row moves the parameters, times the number of rows; (rows,)."""


class Fit(Protocol):
    """The costly step: one or more passes over the training rows."""

    def __call__(
        self,
        module: nn.Module,
        objective: Objective,
        batches: Sequence[Batch],
        *,
        seed: int,
        damping: float | None = None,
        layers: Sequence[str] | None = None,
    ) -> Curvature:
        """The curvature at the module's parameters as they are now.

        `seed` is of whatever is drawn: labels where there are many classes, projections. `damping` is added to the
        curvature; left out, each form has a stated rule. `layers` names those to look at, all if left out.
        """


def check_damping(damping: float | None) -> None:
    """Refuse a damping that would leave a singular matrix singular."""
    if damping is not None and not damping > 0:
        raise ValueError(
            f"damping must be positive, got {damping}: the Gauss-Newton matrix of a network is singular; leave it out "
            "for the default, or try 1e-3"
        )


def check_finite(what: str, values: Tensor) -> None:
    """Refuse what overflowed."""
    if not bool(values.isfinite().all()):
        raise ValueError(
            f"the curvature of {what} is not finite: losses or activations overflow there; look at the losses, or "
            "train with smaller steps"
        )


def damping_for(what: str, damping: float | None, mean: Tensor) -> float:
    """The damping that was asked for, else the default share of the mean curvature of `what`.

    Errors: ValueError for a curvature that is not finite, and for one that is nought throughout, of which no share is
    a damping.
    """
    check_finite(what, mean)
    if damping is None and float(mean) <= LEAST_MEAN:
        raise ValueError(
            f"the curvature of {what} is nought: no loss depends on it, or the model is certain of every row; leave "
            "it out of layers, or give a damping, try 1e-3"
        )
    return float(damping if damping is not None else DAMPING_SHARE * mean)
