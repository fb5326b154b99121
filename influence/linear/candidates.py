"""Influence of would-be training rows: each reference row under each label, on the mean of the other reference rows.

A row of features x and label j has gradient (p - e_j) x', so with s = (H^-1 mean reference gradient) x its influence
is p's - s_j. The row's own part in the mean is G r, the forms and residual of its own reference loss, and is taken
out.
"""

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.choose import Curvature
from culpa.influence.linear.heads import Array, probabilities
from culpa.influence.linear.problem import Problem, predict
from culpa.influence.linear.products import blocks, packed_width, with_constant

__all__ = ["influence_of_candidates"]


def influence_of_candidates(
    reference: Problem, weights: NDArray[np.float64], curvature: Curvature, most: int
) -> NDArray[np.float64]:
    """(first `most` reference rows, classes), positive helps. For softmax."""
    residuals = reference.head.residuals(predict(reference.features, weights), reference.labels)
    total = residuals.T @ with_constant(reference.features).T
    direction = curvature.solve(total[None].astype(np.float64))[0]
    forms, parts = curvature.forms(reference.features.dtype), []
    for block in blocks(most, packed_width(weights.shape[1])):
        columns = with_constant(reference.features[:most][block])
        own = _times(forms(columns), residuals[:most][block])
        others = (columns.T @ direction.T - own) / max(len(reference) - 1, 1)
        p = probabilities(predict(reference.features[:most][block], weights)).astype(np.float64)
        parts.append((p * others).sum(axis=1, keepdims=True) - others)
    return np.concatenate(parts)


def _times(forms: Array, residuals: Array) -> Array:
    """G r of each row, G packed or diagonal: (rows, classes)."""
    outputs = residuals.shape[1]
    if forms.shape[1] == outputs:
        return forms * residuals
    left, right = np.triu_indices(outputs)
    whole = np.empty((len(forms), outputs, outputs), forms.dtype)
    whole[:, left, right] = forms
    whole[:, right, left] = forms
    return np.einsum("mkl,ml->mk", whole, residuals)
