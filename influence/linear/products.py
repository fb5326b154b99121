"""Many small quadratic forms as one matrix product.

x' A x = sum over a <= b of (A_ab + A_ba, halved on the diagonal) x_a x_b. So with the d (d + 1) / 2 products x_a x_b
of a block of rows written out once, the forms of any number of matrices are one matrix product, and so is the sum
over rows of weighted outer products x x'. Where features outnumber the matrices it is cheaper to multiply by each
matrix in turn. Blocks are laid out features first, so that each product row is contiguous.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.heads import Array

__all__ = [
    "Forms",
    "OuterSums",
    "block_matrix",
    "blocks",
    "one_by_one",
    "packed_blocks",
    "packed_width",
    "quadratic_forms",
    "with_constant",
]

BLOCK_ENTRIES = 1_500_000  # of the products of one block: some megabytes, so that they stay in the processor's cache
MOST_BLOCK_ROWS = 8_192
ALIGNED = 64  # blocks are odd multiples of so many rows: vector instructions like multiples, caches odd ones


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Slices of rows such that `width` numbers per row stay within a block's memory."""
    units = min(BLOCK_ENTRIES // max(width, 1), MOST_BLOCK_ROWS) // ALIGNED
    step = ALIGNED * (max(units, 1) - (units > 0 and units % 2 == 0))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def with_constant(features: Array) -> Array:
    """Rows of `features` as contiguous columns, with a last row of ones for the intercept: (features + 1, rows)."""
    columns = np.empty((features.shape[1] + 1, len(features)), features.dtype)
    columns[:-1] = features.T
    columns[-1] = 1
    return columns


def packed_width(width: int) -> int:
    """How many products x_a x_b, a <= b, a row of this width has."""
    return width * (width + 1) // 2


def worth_packing(width: int, matrices: int) -> bool:
    """Whether writing out the products costs less than a matrix product per matrix."""
    return width < 2 * matrices and width <= 512


class Products:
    """x_a x_b for a <= b of one block of rows after another, in memory that is made once."""

    def __init__(self, dtype: Any) -> None:
        self._room = np.empty(0, dtype)

    def of(self, columns: Array) -> Array:
        """(width (width + 1) / 2, rows), good until the next call."""
        width, rows = columns.shape
        size = packed_width(width) * rows
        if len(self._room) < size:
            self._room = np.empty(size, columns.dtype)
        products = self._room[:size].reshape(-1, rows)
        start = 0
        for a in range(width):
            np.multiply(columns[a], columns[a:], out=products[start : start + width - a])
            start += width - a
        return products


class OuterSums:
    """Sum over rows of weight times x x', for each column of weights, in float64."""

    def __init__(self, width: int, matrices: int, dtype: Any) -> None:
        self._products = Products(dtype) if worth_packing(width, matrices) else None
        self._width = width
        self._sums = np.zeros((matrices, packed_width(width)) if self._products else (matrices, width, width))

    def add(self, columns: Array, weights: Array) -> None:
        """Add a block of rows: `columns` (width, rows), `weights` (rows, matrices)."""
        if self._products:
            self._sums += (self._products.of(columns) @ weights).T
            return
        for total, weight in zip(self._sums, weights.T, strict=True):
            total += (columns * weight) @ columns.T

    def total(self) -> NDArray[np.float64]:
        """(matrices, width, width)."""
        return unpack(self._sums, self._width) if self._products else self._sums


Forms = Callable[[Array], Array]  # features of a block, (width, rows) -> a form per matrix, (rows, matrices)


def quadratic_forms(matrices: Array, dtype: Any) -> Forms:
    """x' A x of every row and every matrix, in the precision `dtype`. Only the symmetric part of a matrix counts."""
    if worth_packing(matrices.shape[1], len(matrices)):
        packed, products = pack(matrices).astype(dtype), Products(dtype)
        return lambda columns: (packed @ products.of(columns)).T
    return one_by_one(matrices, dtype)


def one_by_one(matrices: Array, dtype: Any) -> Forms:
    """The same by a matrix product per matrix."""
    narrow = matrices.astype(dtype)
    return lambda columns: np.stack([np.einsum("am,am->m", matrix @ columns, columns) for matrix in narrow], axis=1)


def pack(matrices: Array) -> Array:
    """The coefficients of x_a x_b, a <= b, in x' A x: (matrices, width (width + 1) / 2)."""
    above, below = np.triu_indices(matrices.shape[1])
    both = matrices[:, above, below] + matrices[:, below, above]
    both[:, above == below] /= 2
    return both


def unpack(packed: Array, width: int) -> Array:
    """Symmetric matrices from their entries a <= b: (matrices, width, width)."""
    above, below = np.triu_indices(width)
    matrices = np.empty((len(packed), width, width), packed.dtype)
    matrices[:, above, below] = packed
    matrices[:, below, above] = packed
    return matrices


def block_matrix(matrices: Array, outputs: int) -> NDArray[np.float64]:
    """The symmetric matrix of outputs x outputs blocks whose block (k, l), k <= l, is the packed `matrices[(k, l)]`."""
    width = matrices.shape[1]
    whole = np.empty((outputs, width, outputs, width))
    for (k, left), block in zip(zip(*np.triu_indices(outputs), strict=True), matrices, strict=True):
        whole[k, :, left, :] = block
        whole[left, :, k, :] = block.T
    return whole.reshape(outputs * width, outputs * width)


def packed_blocks(whole: Array, outputs: int) -> Array:
    """The inverse of `block_matrix`: its blocks (k, l), k <= l, (pairs, width, width)."""
    width = len(whole) // outputs
    cells = whole.reshape(outputs, width, outputs, width)
    return np.stack([cells[k, :, left, :] for k, left in zip(*np.triu_indices(outputs), strict=True)])
