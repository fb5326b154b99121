"""What the gradients of a batch of rows in one layer can do, whatever form they are kept in."""

from typing import Protocol, Self

from torch import Tensor

__all__ = ["Rowwise"]


class Rowwise(Protocol):
    """One gradient per row, of one layer's parameters. Results are float32 or better, on the rows' device."""

    @property
    def parameters(self) -> int:
        """Length of a gradient."""

    def __len__(self) -> int:
        """Count the rows."""

    def dots(self, others: Self) -> Tensor:
        """<g_i, g_j> of all pairs with other rows' gradients of the same layer: (rows, other rows)."""

    def squares(self) -> Tensor:
        """<g_i, g_i> of each row, (rows,)."""

    def weighed(self, weights: Tensor) -> Tensor:
        """Sums over rows of weight times gradient, written out: `weights` (sums, rows) to (sums, parameters)."""

    def along(self, directions: Tensor) -> Tensor:
        """<g_i, d> for written-out directions (directions, parameters): (rows, directions)."""

    def summed_squares(self) -> Tensor:
        """Sum over rows of the squared gradients, (parameters,), in double precision."""

    def weighed_squares(self, weights: Tensor) -> Tensor:
        """Sum over parameters of weight times squared gradient: (parameters,) to (rows,)."""

    def written_out(self) -> Tensor:
        """The gradients themselves, (rows, parameters): for small blocks and for oracles."""
