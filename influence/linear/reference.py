"""Influence of every row on the mean loss of held-out reference rows, with its standard error over them.

influence(i, v) = <g_v, H^-1 g_i>, H the Hessian of the summed loss, so the division by n is inside it. The mean over
v needs H^-1 only of the mean reference gradient. The spread over v is the quadratic form g_i' H^-1 Cov(g_v) H^-1 g_i
where the curvature is exact (`panel`); for the diagonal forms it is the spread of the means of 30 batches of reference
rows. The exact curvature also gives the effect of a real removal (`removal`); for the others that is the influence.
Effect on P(own label of v): its gradient is -P(own label) g_v, so the same sum with each v weighed by its
probability.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.choose import Curvature
from culpa.influence.linear.exact import ExactCurvature
from culpa.influence.linear.heads import Array
from culpa.influence.linear.panel import (
    Steps,
    Weights,
    answer,
    apply,
    gradient_blocks,
    mean_gradients,
    question_on,
)
from culpa.influence.linear.problem import Problem, predict
from culpa.influence.proxy import ReferenceInfluence

__all__ = ["influence_on"]

BATCHES = 30
MOST_DIRECTION_ENTRIES = 20_000_000  # of the directions applied at once: bounds memory for many classes


def influence_on(
    rows: Problem,
    keep: NDArray[np.bool_],
    weights: Weights,
    curvature: Curvature,
    reference: Problem,
    steps: Steps | None,
) -> ReferenceInfluence:
    """Influence of all of `rows` on all of `reference`; signs, units and shapes as in `ReferenceInfluence`.

    `keep` (rows,) tells which rows took part in the fit; `steps` are needed for the exact curvature.
    One pass over the rows, and without the exact curvature one more for every lot of classes whose directions do not
    fit in memory together.
    """
    if not len(reference):
        raise ValueError("no reference rows came, at least one is needed: pass the trusted rows, or a fold of the rows")
    if isinstance(curvature, ExactCurvature) and steps is not None:
        kept = rows if keep.all() else replace(rows, features=rows.features[keep], labels=rows.labels[keep])
        asked = question_on(kept, weights, curvature, reference, reference.features.dtype)
        return answer(rows, keep, weights, curvature, asked, steps)
    return _in_lots(rows, weights, curvature, reference)


def _in_lots(rows: Problem, weights: Weights, curvature: Curvature, reference: Problem) -> ReferenceInfluence:
    """Influence to first order, its standard error by the means of batches, NaN with one reference row."""
    own = np.exp(-reference.head.losses(predict(reference.features, weights), reference.labels))
    everything, outputs = np.zeros(len(reference), np.intp), rows.head.outputs
    mean = mean_gradients(reference, weights, everything, range(1))
    on_probability = mean_gradients(reference, weights, everything, range(1), own)
    classes = everything if outputs == 1 else reference.labels.astype(np.intp)
    found, by_class = np.empty((len(rows), 3)), np.empty((len(rows), outputs))
    batches = min(BATCHES, len(reference))
    solved_batches = curvature.solve(
        mean_gradients(reference, weights, np.arange(len(reference)) % batches, range(batches))
    )
    step = max(1, MOST_DIRECTION_ENTRIES // weights.size)
    for start in range(0, outputs, step):
        lot = range(start, min(start + step, outputs))
        gradients = mean_gradients(reference, weights, classes, lot)
        solved = curvature.solve(np.concatenate([mean, on_probability, gradients]))
        for block, columns, residuals in gradient_blocks(rows, weights):
            values = apply(solved, columns, residuals)
            by_class[block, start : lot.stop] = values[:, 2:]
            if start == 0:
                found[block, :2] = values[:, :2]
                found[block, 2] = _spread(apply(solved_batches, columns, residuals))
    by_class[:, np.bincount(classes, minlength=outputs) == 0] = np.nan
    return ReferenceInfluence(found[:, 0], found[:, 2], by_class, found[:, 1], found[:, 0])


def _spread(values: Array) -> Array:
    """Standard error of the mean over batches, (rows, batches) to (rows,); NaN for one batch."""
    if values.shape[1] == 1:
        return np.full(len(values), np.nan)
    return np.asarray(values.astype(np.float64).std(axis=1, ddof=1) / np.sqrt(values.shape[1]))
