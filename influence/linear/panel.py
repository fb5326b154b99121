"""A panel: all that influence on reference rows needs to know of them, as sums that do not grow with their number.

With the exact curvature, influence on the mean loss of any number of reference rows, its standard error and the effect
of a removal (`removal`) rest on five sums over the reference rows: their gradients, the same by class and weighed by
P(own label), the outer products of the gradients, their Hessians; and on one over the training rows, the third
derivative T along H^-1 of the mean gradient. So a panel is measured once, applied to any rows, kept, joined by new
reference rows, and moved along with the weights to first order (a gradient moves by its Hessian times the step).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.exact import ExactCurvature, curvature_sum
from culpa.influence.linear.heads import Array, pairs
from culpa.influence.linear.problem import Problem, predict
from culpa.influence.linear.products import (
    Forms,
    OuterSums,
    block_matrix,
    blocks,
    packed_width,
    quadratic_forms,
    with_constant,
)
from culpa.influence.linear.removal import removal_effects, turned_sum
from culpa.influence.proxy import ReferenceInfluence

__all__ = [
    "Panel",
    "Question",
    "Steps",
    "Weights",
    "answer",
    "apply",
    "gradient_blocks",
    "mean_gradients",
    "measure_panel",
    "question_of",
    "question_on",
]

Weights = NDArray[np.float64]  # (outputs, width), the intercept last
Matrix = NDArray[np.float64]  # (outputs width, outputs width)
Steps = tuple[Array, Array]  # of every row, by `row_steps`: (rows, outputs) each


@dataclass(frozen=True)
class Panel:
    """Sums over the reference rows v at some weights, but for `turned`, which is over the training rows."""

    counts: NDArray[np.float64]  # (outputs,) reference rows of each class; regression: of all
    gradients: NDArray[np.float64]  # (outputs, outputs, width) sum of g_v over each class
    on_probability: Weights  # sum of P(own label of v) g_v
    outer: Matrix  # sum of g_v g_v'
    hessian: Matrix  # sum of the Hessians of their losses
    turned: Matrix  # T: how the training rows' Hessian turns along H^-1 times the mean gradient

    @property
    def count(self) -> float:
        """How many reference rows there are."""
        return float(self.counts.sum())

    @property
    def mean(self) -> Weights:
        """Gradient of the mean reference loss, (outputs, width)."""
        return np.asarray(self.gradients.sum(axis=0) / self.count)

    def joined(self, other: "Panel", sign: int = 1) -> "Panel":
        """This panel with, or at sign -1 without, the reference rows of another, measured at the same weights."""
        mine, others = vars(self), vars(other)
        return Panel(**{name: mine[name] + sign * others[name] for name in mine})

    def moved(self, step: Weights) -> "Panel":
        """The same reference rows after the weights have moved by `step`, to first order.

        Each class's sum of gradients moves by its share of the Hessian; the products of gradients stay.
        """
        change = (self.hessian @ step.ravel()).reshape(step.shape)
        return replace(self, gradients=self.gradients + (self.counts / self.count)[:, None, None] * change)


def measure_panel(training: Problem, weights: Weights, curvature: ExactCurvature, reference: Problem) -> Panel:
    """The panel of these reference rows for a model trained on `training`, at its weights."""
    first = _first_order(reference, weights)
    along = curvature.solve(first.gradients.sum(axis=0) / max(len(reference), 1))
    return Panel(
        first.counts,
        first.gradients,
        first.on_probability,
        _outer(reference, weights),
        _hessian(reference, weights),
        turned_sum(training, weights, along),
    )


@dataclass(frozen=True)
class Question:
    """What a row is asked about a panel: the sums solved with the curvature, two packed forms and the directions."""

    counts: NDArray[np.float64]  # (outputs,) reference rows of each class
    solved: Array  # (2 + outputs, outputs, width): H^-1 times mean, probability-weighed and class-wise mean gradients
    forms: Forms  # of H^-1 Cov(g_v) H^-1, then of H^-1 (H_ref - T) H^-1


def question_of(panel: Panel, curvature: ExactCurvature, dtype: Any) -> Question:
    """The question about a panel that is kept."""
    first = _FirstOrder(panel.counts, panel.gradients, panel.on_probability)
    return _question(first, curvature, dtype, panel.outer.copy, lambda _: panel.hessian / panel.count - panel.turned)


def question_on(
    training: Problem, weights: Weights, curvature: ExactCurvature, reference: Problem, dtype: Any
) -> Question:
    """The same about reference rows, whose sums are let go one after the other: memory is the curvature's own."""

    def bending(along: Weights) -> Matrix:
        whole = _hessian(reference, weights)
        whole /= len(reference)
        whole -= turned_sum(training, weights, along)
        return whole

    return _question(_first_order(reference, weights), curvature, dtype, lambda: _outer(reference, weights), bending)


def answer(
    rows: Problem, keep: NDArray[np.bool_], weights: Weights, curvature: ExactCurvature, asked: Question, steps: Steps
) -> ReferenceInfluence:
    """Influence of `rows` on the reference rows of the question, in one pass; arguments as of `influence_on`."""
    dtype, count = rows.features.dtype, float(asked.counts.sum())
    along, freedom = asked.solved[0].T.astype(dtype), count - 1 if count > 1 else np.nan
    found, by_class = np.empty((len(rows), 4)), np.empty((len(rows), rows.head.outputs))
    for block, columns, residuals in gradient_blocks(rows, weights):
        values = apply(asked.solved, columns, residuals)
        spread, bending = np.split(asked.forms(columns), 2, axis=1)
        once, own = np.where(keep[block], 1, -1).astype(dtype), (steps[0][block], steps[1][block])
        scores = predict(rows.features[block], weights)
        variance = curvature.own(spread, residuals).astype(np.float64).clip(0)
        by_class[block], found[block, :2] = values[:, 2:], values[:, :2]
        found[block, 2] = removal_effects(rows.head, scores, columns.T @ along, own, bending, once)
        found[block, 3] = np.sqrt(variance / freedom)
    by_class[:, asked.counts == 0] = np.nan
    return ReferenceInfluence(found[:, 0], found[:, 3], by_class, found[:, 1], found[:, 2])


@dataclass(frozen=True)
class _FirstOrder:
    """The sums of a panel that are not matrices."""

    counts: NDArray[np.float64]
    gradients: NDArray[np.float64]
    on_probability: Weights


def _first_order(reference: Problem, weights: Weights) -> _FirstOrder:
    outputs = reference.head.outputs
    everything = np.zeros(len(reference), np.intp)
    classes = everything if outputs == 1 else reference.labels.astype(np.intp)
    counts = np.bincount(classes, minlength=outputs).astype(np.float64)
    gradients = mean_gradients(reference, weights, classes, range(outputs)) * counts[:, None, None]
    own = np.exp(-reference.head.losses(predict(reference.features, weights), reference.labels))
    weighed = mean_gradients(reference, weights, everything, range(1), own)[0] * len(reference)
    return _FirstOrder(counts, gradients, weighed)


def _question(
    first: _FirstOrder,
    curvature: ExactCurvature,
    dtype: Any,
    outer: Callable[[], Matrix],
    bending: Callable[[Weights], Matrix],
) -> Question:
    """One matrix at a time; those that `outer` and `bending` give are used up."""
    count = float(first.counts.sum())
    mean = first.gradients.sum(axis=0) / count
    means = first.gradients / first.counts.clip(1)[:, None, None]
    solved = curvature.solve(np.concatenate([mean[None], first.on_probability[None] / count, means]))
    covariance = outer()
    covariance /= count
    covariance -= np.outer(mean, mean)
    packed = [curvature.blocks_between(covariance).astype(dtype)]
    del covariance
    packed.append(curvature.blocks_between(bending(solved[0])).astype(dtype))
    return Question(first.counts, solved, quadratic_forms(np.concatenate(packed), dtype))


def _hessian(reference: Problem, weights: Weights) -> Matrix:
    """Sum of the Hessians of the reference rows' losses."""
    return curvature_sum(reference, weights, lambda scores, _: reference.head.curvatures(scores))


def apply(solved: Array, columns: Array, residuals: Array) -> Array:
    """<g_i, direction> of each row, for directions (directions, outputs, width): (rows, directions)."""
    count, outputs, width = solved.shape
    scores = columns.T @ solved.reshape(-1, width).T.astype(columns.dtype)
    return np.einsum("mjk,mk->mj", scores.reshape(-1, count, outputs), residuals)


def gradient_blocks(rows: Problem, weights: Weights) -> Iterator[tuple[slice, Array, Array]]:
    """Both factors of the gradients, block by block: features and a one (width, rows), residuals (rows, outputs)."""
    for block in blocks(len(rows), packed_width(weights.shape[1])):
        features = rows.features[block]
        yield block, with_constant(features), rows.head.residuals(predict(features, weights), rows.labels[block])


def mean_gradients(
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


def _outer(reference: Problem, weights: Weights) -> Matrix:
    """Sum of g_v g_v'."""
    outputs, width = weights.shape
    left, right = pairs(outputs)
    sums = OuterSums(width, len(left), reference.features.dtype)
    for _, columns, residuals in gradient_blocks(reference, weights):
        sums.add(columns, residuals[:, left] * residuals[:, right])
    return block_matrix(sums.total(), outputs)
