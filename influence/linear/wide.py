"""More features than rows: the same model on as many features as there are rows.

With an L2 penalty the optimum lies in the span of the rows, and the penalty does not change when the features are
rotated. So with the eigenvectors of the rows' n x n Gram matrix (smaller here than features x features) as axes,
every loss, gradient product and quadratic form stays what it was. Reference rows are projected on the same axes: what
lies outside meets no weight.
"""

import numpy as np

from culpa.influence.linear.heads import Array

__all__ = ["narrow_axes"]

LEAST_SHARE = 1e-12  # of the largest eigenvalue: smaller ones are rounding


def narrow_axes(features: Array) -> Array | None:
    """Orthonormal axes of the rows' span, (features, rank), when features outnumber rows; else None."""
    rows, width = features.shape
    if width <= rows:
        return None
    precise = features.astype(np.float64)
    values, vectors = np.linalg.eigh(precise @ precise.T)
    kept = values > LEAST_SHARE * values[-1]
    axes: Array = (precise.T @ (vectors[:, kept] / np.sqrt(values[kept]))).astype(features.dtype)
    return axes
