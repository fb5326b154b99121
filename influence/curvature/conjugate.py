"""Conjugate gradients: H^-1 g by products with H alone, exact to a stated residual whatever the size of the model.

H is the whole Gauss-Newton matrix of the mean loss, or its Hessian, plus damping; neither is written out. Each solve
goes over all rows as often as there are steps, so that it is dear where the other curvatures are cheap: an oracle for
large models, and the best answer for few reference rows. Source: Martens 2010; Koh & Liang 2017, section 3.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from culpa.influence.curvature.curvature import Curvature, Written, check_damping, damping_for
from culpa.influence.curvature.descent import Solution, descend
from culpa.influence.curvature.joined import join, split, written_in_blocks
from culpa.influence.curvature.passes import Passes, fisher_gradients, kept_or_made
from culpa.influence.curvature.products import GaussNewtonProducts, HessianProducts, Products
from culpa.influence.gradients import Captured, Rowwise
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Objective

__all__ = ["Conjugate", "fit_conjugate"]

Kind = Literal["gauss-newton", "hessian"]


@dataclass(frozen=True)
class Conjugate:
    """Products with the curvature, and how far to go in solving with them."""

    products: Products
    sizes: Mapping[str, int]
    added: float
    tolerance: float  # on |g - H h| / |g|
    most_steps: int
    preconditioner: Curvature | None

    @property
    def damping(self) -> Mapping[str, float]:
        """The same for every layer."""
        return dict.fromkeys(self.sizes, self.added)

    def solve(self, gradients: Written) -> dict[str, Tensor]:
        """H^-1 times each gradient. Errors: ValueError where the residual stays above the tolerance."""
        joined = join(gradients, self.sizes)
        return split(self._converged(joined).to(joined.dtype), self.sizes)

    def attempt(self, gradients: Written) -> tuple[dict[str, Tensor], Solution]:
        """The same without the error, and beside it the largest relative residual and the steps used."""
        joined = join(gradients, self.sizes)
        found = self._descend(joined)
        return split(found.values.to(joined.dtype), self.sizes), found

    def squares(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """<g_i, H^-1 g_i>, (rows,)."""
        blocks = (join(written, self.sizes) for written in written_in_blocks(gradients))
        return torch.cat([(block * self._converged(block)).sum(1).to(block.dtype) for block in blocks])

    def lengths(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """|H^-1 g_i|, (rows,)."""
        blocks = (join(written, self.sizes) for written in written_in_blocks(gradients))
        return torch.cat([self._converged(block).norm(dim=1).to(block.dtype) for block in blocks])

    def _converged(self, joined: Tensor) -> Tensor:
        found = self._descend(joined)
        if not found.residual <= self.tolerance:
            why = "the most allowed" if found.steps >= self.most_steps else "where rounding leaves nothing to gain"
            raise ValueError(
                f"conjugate gradients came to a residual of {found.residual:.2g} in {found.steps} steps, {why}, needed "
                f"{self.tolerance:.2g}: raise damping above {self.added:.2g}, most_steps or tolerance"
            )
        return found.values

    def _descend(self, joined: Tensor) -> Solution:
        """In double precision, but for the products on the way, in that of the gradients."""

        def precisely(directions: Tensor) -> Tensor:
            return join(self.products(split(directions, self.sizes)), self.sizes) + self.added * directions

        def times(directions: Tensor) -> Tensor:
            narrow = split(directions.to(joined.dtype), self.sizes)
            return join(self.products(narrow), self.sizes) + self.added * directions

        def ease(residuals: Tensor) -> Tensor:
            if self.preconditioner is None:
                return residuals
            return join(self.preconditioner.solve(split(residuals, self.sizes)), self.sizes)

        sides = joined.double()
        return descend(times, precisely, ease, sides, tolerance=self.tolerance, most_steps=self.most_steps)


def fit_conjugate(
    module: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    *,
    seed: int,
    damping: float | None = None,
    layers: Sequence[str] | None = None,
    kind: Kind = "gauss-newton",
    preconditioner: Curvature | None = None,
    tolerance: float = 1e-5,
    most_steps: int = 1_000,
) -> Conjugate:
    """What it takes to solve by conjugate gradients with the curvature at the module's parameters as they are now.

    Damping is a tenth of the Gauss-Newton matrix's mean eigenvalue if left out, of either kind. A preconditioner is
    fitted on the same layers, with the same damping. EK-FAC saves most of the steps where inputs are of very different
    size, and on a well-scaled network may cost more than it saves: `attempt` tells.
    """
    check_damping(damping)
    still = deepcopy(module)

    def make() -> Iterator[Captured]:
        return (found for found, _ in fisher_gradients(still, objective, batches, seed, layers))

    passes = kept_or_made(make)
    sizes, total = _sizes_and_squares(passes)
    rows = sum(len(batch[0]) for batch in batches)
    added = damping_for("the model", damping, total / (rows * sum(sizes.values())))
    products: Products = GaussNewtonProducts(passes, rows)
    if kind == "hessian":
        products = _hessian_products(still, objective, batches, list(sizes))
    return Conjugate(products, sizes, added, tolerance, most_steps, preconditioner)


def _sizes_and_squares(passes: Passes) -> tuple[dict[str, int], Tensor]:
    """Parameters of each layer, and the trace of rows times the Gauss-Newton matrix."""
    sizes: dict[str, int] = {}
    total = torch.zeros((), dtype=torch.double)
    for found in passes:
        sizes = {name: layer.parameters for name, layer in found.layers.items()}
        total = total + torch.stack([layer.squares().double().sum() for layer in found.layers.values()]).sum().cpu()
    return sizes, total


def _hessian_products(
    module: nn.Module, objective: Objective, batches: Sequence[Batch], layers: Sequence[str]
) -> HessianProducts:
    """Half precision is differentiated twice in single precision, of the module (a copy) and of its rows."""
    parameters = [one for name in layers for one in module.get_submodule(name).parameters(recurse=False)]
    if any(one.dtype in (torch.float16, torch.bfloat16) for one in parameters):
        module.float()
        batches = [[part.float() if part.is_floating_point() else part for part in batch] for batch in batches]
    for parameter in parameters:
        parameter.requires_grad_()
    return HessianProducts(module, objective, batches, layers)
