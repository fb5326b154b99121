"""Conjugate gradients for many right-hand sides at once: a product with the matrix is one product for all of them.

Each side has its own step lengths, and leaves when its residual is small enough. The residual that the recursion keeps
drifts from the true one by rounding, so the true one is computed at the end, more precisely, and where it is still too
large taken as a new right-hand side. Source: Hestenes & Stiefel 1952; iterative refinement Wilkinson 1963.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Solution", "descend"]

Times = Callable[[Tensor], Tensor]  # (sides, parameters) to the same shape


@dataclass(frozen=True)
class Solution:
    """What conjugate gradients came to."""

    values: Tensor  # x, (sides, parameters)
    residual: float  # the largest |b - H x| / |b| of all sides
    steps: int  # products with H


def descend(
    times: Times, precisely: Times, ease: Times, sides: Tensor, *, tolerance: float, most_steps: int
) -> Solution:
    """x with H x = b for each side b: `times` multiplies by H, `ease` by something near H^-1 (or does nothing).

    `precisely` is `times` without its rounding, for the true residual. It ends at residuals of `tolerance`, after
    `most_steps`, or when rounding leaves nothing to gain. Errors: ValueError where H is not positive or not finite.
    """
    values, residuals, steps, worst = torch.zeros_like(sides), sides, 0, 1.0
    sizes = sides.norm(dim=1)
    while True:
        moved, used = _once(times, ease, residuals, tolerance * sizes, most_steps - steps)
        values, steps = values + moved, steps + used
        residuals, before = sides - precisely(values), worst
        worst = float((residuals.norm(dim=1) / sizes.clip(torch.finfo(sides.dtype).tiny)).max())
        if worst <= tolerance or steps >= most_steps or worst > before / 2:
            return Solution(values, worst, steps)


def _once(times: Times, ease: Times, sides: Tensor, goals: Tensor, most_steps: int) -> tuple[Tensor, int]:
    """One run of the recursion, and its steps; `goals` are the lengths that residuals have to come down to."""
    values = torch.zeros_like(sides)
    rows = (sides.norm(dim=1) > goals).nonzero().flatten()  # the sides that are not done
    residuals = sides[rows]
    directions = ease(residuals)
    powers = (residuals * directions).sum(1)
    for step in range(most_steps):
        if not len(rows):
            return values, step
        products = times(directions)
        lengths = powers / _curvatures(directions, products)
        values[rows] += lengths[:, None] * directions
        residuals = residuals - lengths[:, None] * products
        going = residuals.norm(dim=1) > goals[rows]
        rows, residuals, directions, powers = rows[going], residuals[going], directions[going], powers[going]
        eased = ease(residuals)
        powers, before = (residuals * eased).sum(1), powers
        directions = eased + (powers / before)[:, None] * directions
    return values, most_steps


def _curvatures(directions: Tensor, products: Tensor) -> Tensor:
    """d' H d of each direction, positive."""
    found = (directions * products).sum(1)
    if not bool(found.isfinite().all()):
        raise ValueError(
            "a product with the curvature is not finite: gradients, losses or activations overflow; look at the "
            "losses, or train with smaller steps"
        )
    least = float((found / directions.square().sum(1)).min())
    if least <= 0:
        raise ValueError(
            f"the matrix curves down, by {-least:.3g} along a direction, damping and all, as the Hessian of a network "
            "does away from its optimum: raise damping by more than that, or take kind='gauss-newton', which never does"
        )
    return found
