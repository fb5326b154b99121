"""Gradients of matrix layers: sums over positions of errors x inputs', kept in the two factors.

For one position <g_i, g_j> = (x_i . x_j) (e_i . e_j), two matrix products and no gradient. With several positions the
pairs of positions multiply, and from some number on the written-out gradients are smaller; each call takes the order of
products with fewer multiplications, in blocks of bounded memory.
Source: the factored form is that of per-example norms (Goodfellow 2015) and of K-FAC (Martens & Grosse 2015).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Outer"]

MOST_ENTRIES = 2**24  # of what a block of rows writes out
MEMORY_COST = 16  # multiplications that cost as much as carrying one number through memory


@dataclass(frozen=True)
class Outer:
    """Gradients (out, in) of each row; a bias is one more input that is always 1."""

    inputs: Tensor  # (rows, positions, in)
    errors: Tensor  # (rows, positions, out), derivative of the row's loss in the layer's output

    def __post_init__(self) -> None:
        """Refuse factors that do not belong together."""
        if self.inputs.ndim != 3 or self.errors.ndim != 3 or self.inputs.shape[:2] != self.errors.shape[:2]:
            raise ValueError(
                f"inputs {tuple(self.inputs.shape)} and errors {tuple(self.errors.shape)} do not fit: needed "
                "(rows, positions, in) and (rows, positions, out) of the same rows and positions"
            )

    @property
    def parameters(self) -> int:
        """Length of a gradient: out x in."""
        return self.inputs.shape[2] * self.errors.shape[2]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.inputs)

    def dots(self, others: "Outer") -> Tensor:
        """<g_i, g_j> of all pairs, (rows, other rows)."""
        if self._pairs_are_cheaper(others):
            parts = [self._pairwise(block, others) for block in self._blocks(self._positions * others._entries)]
        else:
            there = others.written_out()
            parts = [self._written(block) @ there.T for block in self._blocks(self.parameters)]
        return torch.cat(parts)

    def squares(self) -> Tensor:
        """<g_i, g_i>, (rows,)."""
        if self._positions == 1:
            return self.inputs.square().sum((1, 2)) * self.errors.square().sum((1, 2))
        if self._positions * sum(self._widths) < self.parameters:
            return torch.cat([self._own_pairs(block) for block in self._blocks(self._positions**2)])
        return torch.cat([self._written(block).square().sum(1) for block in self._blocks(self.parameters)])

    def weighed(self, weights: Tensor) -> Tensor:
        """Weighted sums of gradients: (sums, rows) to (sums, parameters)."""
        inputs = self.inputs.flatten(0, 1)
        weights = weights.to(self.errors)
        sums = [((self.errors * one[:, None, None]).flatten(0, 1).T @ inputs).flatten() for one in weights]
        return torch.stack(sums)

    def along(self, directions: Tensor) -> Tensor:
        """<g_i, d>: (directions, parameters) to (rows, directions)."""
        if self._writing_is_cheaper(len(directions)):
            return torch.cat([self._written(block) @ directions.T for block in self._blocks(self.parameters)])
        wide = directions.reshape(-1, self.inputs.shape[2])  # (directions x out, in)
        return torch.cat([self._along(block, wide) for block in self._blocks(self._positions * len(wide))])

    def turned(self, inputs: Tensor, errors: Tensor) -> "Outer":
        """The same gradients on other axes, the columns of (in, in) and of (out, out)."""
        return Outer(self.inputs @ inputs.to(self.inputs.dtype), self.errors @ errors.to(self.errors.dtype))

    def summed_squares(self) -> Tensor:
        """Sum over rows of the squared gradients, (parameters,), in double precision."""
        if self._positions == 1:
            return (self.errors[:, 0].square().T @ self.inputs[:, 0].square()).double().flatten()
        parts = [self._written(block).square().sum(0).double() for block in self._blocks(self.parameters)]
        return torch.stack(parts).sum(0)

    def weighed_squares(self, weights: Tensor) -> Tensor:
        """Sum over parameters of weight times squared gradient: (parameters,) to (rows,)."""
        if self._positions == 1:
            grid = weights.to(self.errors.dtype).reshape(self.errors.shape[2], -1)
            return ((self.errors[:, 0].square() @ grid) * self.inputs[:, 0].square()).sum(1)
        narrow = weights.to(self.errors.dtype)
        return torch.cat([self._written(block).square() @ narrow for block in self._blocks(self.parameters)])

    def written_out(self) -> Tensor:
        """(rows, parameters)."""
        return self._written(slice(None))

    @property
    def _positions(self) -> int:
        return self.inputs.shape[1]

    @property
    def _widths(self) -> tuple[int, int]:
        return self.inputs.shape[2], self.errors.shape[2]

    @property
    def _entries(self) -> int:
        return len(self) * self._positions

    def _pairs_are_cheaper(self, others: "Outer") -> bool:
        pairs = self._entries * others._entries * sum(self._widths)
        writing = (self._entries + others._entries) * self.parameters
        return pairs <= writing + len(self) * len(others) * self.parameters

    def _writing_is_cheaper(self, directions: int) -> bool:
        """Of the two orders of `along`: what each multiplies, and what it has to carry through memory."""
        inner = self.inputs.shape[2]
        straight = self._positions * directions * (inner + MEMORY_COST)
        return inner * (self._positions + directions + MEMORY_COST) < straight

    def _blocks(self, entries: int) -> Iterator[slice]:
        step = max(1, MOST_ENTRIES // max(entries, 1))
        for start in range(0, max(len(self), 1), step):
            yield slice(start, start + step)

    def _written(self, block: slice) -> Tensor:
        return torch.einsum("nto,nta->noa", self.errors[block], self.inputs[block]).flatten(1)

    def _pairwise(self, block: slice, others: "Outer") -> Tensor:
        inputs, errors = self.inputs[block], self.errors[block]
        products = inputs.flatten(0, 1) @ others.inputs.flatten(0, 1).T
        products *= errors.flatten(0, 1) @ others.errors.flatten(0, 1).T
        shape = len(inputs), self._positions, len(others), others._positions
        return products.reshape(shape).sum((1, 3))

    def _own_pairs(self, block: slice) -> Tensor:
        inputs, errors = self.inputs[block], self.errors[block]
        return ((inputs @ inputs.mT) * (errors @ errors.mT)).sum((1, 2))

    def _along(self, block: slice, wide: Tensor) -> Tensor:
        inputs, errors = self.inputs[block], self.errors[block]
        scores = (inputs.flatten(0, 1) @ wide.T).reshape(*inputs.shape[:2], -1, errors.shape[2])
        return torch.einsum("ntdo,nto->nd", scores, errors)
