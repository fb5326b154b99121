"""Influence of every row on the mean loss of held-out reference rows, with its standard error over them.

influence(i, v) = <g_v, H^-1 g_i>, H the Hessian of the summed loss, so the division by n is inside it. The mean over
v needs H^-1 only of the mean reference gradient. The spread over v is the quadratic form g_i' H^-1 Cov(g_v) H^-1 g_i
where the curvature is exact; for the diagonal forms it is the spread of the means of 30 batches of reference rows.
The exact curvature also gives the effect of a real removal (`removal`); for the others that is the influence.
Effect on P(own label of v): its gradient is -P(own label) g_v, so the same sum with each v weighed by its
probability.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.choose import Curvature
from culpa.influence.linear.exact import ExactCurvature
from culpa.influence.linear.heads import Array, pairs
from culpa.influence.linear.problem import Problem, predict
from culpa.influence.linear.products import (
    OuterSums,
    block_matrix,
    blocks,
    packed_width,
    quadratic_forms,
    with_constant,
)
from culpa.influence.linear.removal import removal_effects, removal_moments
from culpa.influence.proxy import ReferenceInfluence

__all__ = ["influence_on"]

BATCHES = 30
MOST_DIRECTION_ENTRIES = 20_000_000  # of the directions applied at once: bounds memory for many classes

Weights = NDArray[np.float64]  # (outputs, width), the intercept last
Steps = tuple[Array, Array]  # of every row, by `row_steps`: (rows, outputs) each
Effects = Callable[[slice, Array, Array, Array], tuple[Array, Array]]
"""A block, both factors of its gradients, its mean influence -> effect of removal, standard error of the influence."""


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
    One pass over the rows, and one more for every lot of classes whose directions do not fit in memory together.
    """
    if not len(reference):
        raise ValueError("no reference rows came, at least one is needed: pass the trusted rows, or a fold of the rows")
    own = np.exp(-reference.head.losses(predict(reference.features, weights), reference.labels))
    everything = np.zeros(len(reference), np.intp)
    mean = _mean_gradients(reference, weights, everything, range(1))
    on_probability = _mean_gradients(reference, weights, everything, range(1), own)
    outputs = rows.head.outputs
    classes = everything if outputs == 1 else reference.labels.astype(np.intp)
    found, by_class = np.empty((len(rows), 4)), np.empty((len(rows), outputs))
    if isinstance(curvature, ExactCurvature) and steps is not None:
        effects = _exact_effects(rows, keep, weights, curvature, reference, curvature.solve(mean)[0], steps)
    else:
        effects = _batch_effects(weights, curvature, reference)
    step = max(1, MOST_DIRECTION_ENTRIES // weights.size)
    for start in range(0, outputs, step):
        lot = range(start, min(start + step, outputs))
        gradients = _mean_gradients(reference, weights, classes, lot)
        solved = curvature.solve(np.concatenate([mean, on_probability, gradients]))
        for block, columns, residuals in _gradient_blocks(rows, weights):
            values = _apply(solved, columns, residuals)
            by_class[block, start : lot.stop] = values[:, 2:]
            if start == 0:
                found[block, :2] = values[:, :2]
                found[block, 2], found[block, 3] = effects(block, columns, residuals, values[:, 0])
    by_class[:, np.bincount(classes, minlength=outputs) == 0] = np.nan
    return ReferenceInfluence(found[:, 0], found[:, 3], by_class, found[:, 1], found[:, 2])


def _apply(solved: Array, columns: Array, residuals: Array) -> Array:
    """<g_i, direction> of each row, for directions (directions, outputs, width): (rows, directions)."""
    count, outputs, width = solved.shape
    scores = columns.T @ solved.reshape(-1, width).T.astype(columns.dtype)
    return np.einsum("mjk,mk->mj", scores.reshape(-1, count, outputs), residuals)


def _gradient_blocks(rows: Problem, weights: Weights) -> Iterator[tuple[slice, Array, Array]]:
    """Both factors of the gradients, block by block: features and a one (width, rows), residuals (rows, outputs)."""
    for block in blocks(len(rows), packed_width(weights.shape[1])):
        features = rows.features[block]
        yield block, with_constant(features), rows.head.residuals(predict(features, weights), rows.labels[block])


def _mean_gradients(
    reference: Problem, weights: Weights, part: NDArray[np.intp], parts: range, weigh: Array | None = None
) -> NDArray[np.float64]:
    """Mean of the (weighed) reference gradients over each of these parts, (parts, outputs, width); zeros if empty."""
    sums = np.zeros((len(parts), *weights.shape))
    order = np.argsort(part, kind="stable")
    ends = np.searchsorted(part[order], np.arange(parts.start, parts.stop + 1))
    for number in range(len(parts)):
        members = order[ends[number] : ends[number + 1]]
        if len(members):
            features = reference.features[members]
            residuals = reference.head.residuals(predict(features, weights), reference.labels[members])
            weighed = residuals if weigh is None else residuals * weigh[members, None]
            sums[number] = (weighed.T @ with_constant(features).T) / len(members)
    return sums


def _exact_effects(
    rows: Problem,
    keep: NDArray[np.bool_],
    weights: Weights,
    curvature: ExactCurvature,
    reference: Problem,
    along: Weights,
    steps: Steps,
) -> Effects:
    """Removal to second order, and the standard error by the reference gradients' covariance: two forms a row."""
    kept = rows if keep.all() else replace(rows, features=rows.features[keep], labels=rows.labels[keep])
    dtype = reference.features.dtype
    between = [
        curvature.blocks_between(moments).astype(dtype)
        for moments in (_covariance(weights, reference), removal_moments(kept, weights, along, reference))
    ]
    forms = quadratic_forms(np.concatenate(between), dtype)
    freedom = len(reference) - 1 if len(reference) > 1 else np.nan

    def effects(block: slice, columns: Array, residuals: Array, _: Array) -> tuple[Array, Array]:
        spread, bending = np.split(forms(columns), 2, axis=1)
        scores, slopes = predict(rows.features[block], weights), columns.T @ along.T.astype(dtype)
        once, own = np.where(keep[block], 1, -1).astype(dtype), (steps[0][block], steps[1][block])
        variance = curvature.own(spread, residuals).astype(np.float64).clip(0)
        return removal_effects(rows.head, scores, slopes, own, bending, once), np.sqrt(variance / freedom)

    return effects


def _covariance(weights: Weights, reference: Problem) -> NDArray[np.float64]:
    """Covariance of the reference gradients over the reference rows: (outputs width, outputs width)."""
    outputs, width = weights.shape
    left, right = pairs(outputs)
    sums = OuterSums(width, len(left), reference.features.dtype)
    for _, columns, residuals in _gradient_blocks(reference, weights):
        sums.add(columns, residuals[:, left] * residuals[:, right])
    mean = _mean_gradients(reference, weights, np.zeros(len(reference), np.intp), range(1)).ravel()
    covariance = block_matrix(sums.total(), outputs)
    covariance /= len(reference)
    covariance -= np.outer(mean, mean)
    return covariance


def _batch_effects(weights: Weights, curvature: Curvature, reference: Problem) -> Effects:
    """Removal to first order, and the standard error by the means of batches; NaN with one reference row."""
    batches = min(BATCHES, len(reference))
    gradients = _mean_gradients(reference, weights, np.arange(len(reference)) % batches, range(batches))
    solved = curvature.solve(gradients)

    def effects(block: slice, columns: Array, residuals: Array, mean: Array) -> tuple[Array, Array]:
        if batches == 1:
            return mean, np.full(len(residuals), np.nan)
        values = _apply(solved, columns, residuals).astype(np.float64)
        return mean, values.std(axis=1, ddof=1) / np.sqrt(batches)

    return effects
