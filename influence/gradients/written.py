"""Gradients of small layers, written out: scales and shifts of a normalisation, a row of numbers each."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Written"]


@dataclass(frozen=True)
class Written:
    """Gradients as they are."""

    vectors: Tensor  # (rows, parameters)

    @property
    def parameters(self) -> int:
        """Length of a gradient."""
        return self.vectors.shape[1]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.vectors)

    def dots(self, others: "Written") -> Tensor:
        """<g_i, g_j> of all pairs, (rows, other rows)."""
        return self.vectors @ others.vectors.T

    def squares(self) -> Tensor:
        """<g_i, g_i>, (rows,)."""
        return self.vectors.square().sum(1)

    def weighed(self, weights: Tensor) -> Tensor:
        """Weighted sums of gradients: (sums, rows) to (sums, parameters)."""
        return weights.to(self.vectors) @ self.vectors

    def along(self, directions: Tensor) -> Tensor:
        """<g_i, d>: (directions, parameters) to (rows, directions)."""
        return self.vectors @ directions.T

    def written_out(self) -> Tensor:
        """(rows, parameters)."""
        return self.vectors

    def summed_squares(self) -> Tensor:
        """Sum over rows of the squared gradients, (parameters,), in double precision."""
        return self.vectors.double().square().sum(0)

    def weighed_squares(self, weights: Tensor) -> Tensor:
        """Sum over parameters of weight times squared gradient: (parameters,) to (rows,)."""
        return self.vectors.square() @ weights.to(self.vectors.dtype)
