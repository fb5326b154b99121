"""What a row's removal does to the mean reference loss, to second order: nearly what retraining without it says.

Removing row i moves the weights by D = (H - H_i)^-1 g_i, the row's own curvature taken out, plus a bend, because H
itself changes along the way. With a = H^-1 g, g the mean reference gradient, the mean reference loss rises by

    <g, D> + D' (H_ref - T) D / 2 + T_i[D, D] / 2

H_ref the Hessian of the mean reference loss, T the third derivative of the summed training loss along a, T_i that of
row i. Plain influence <g, H^-1 g_i> is the first term without the row's own curvature; where single effects nearly
cancel in the mean, the rest decides their order (`tests/benchmarks/leave_one_out.py`). D is kept in its factors, D =
H^-1 (t x'), so the second term is one more quadratic form per row. Exact for squared loss.
Source: derived here from the stationarity of the loss without the row; the one-step D is Cook & Weisberg's 1982.
"""

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.exact import curvature_sum
from culpa.influence.linear.heads import Array, Head, packed_form
from culpa.influence.linear.problem import Problem

__all__ = ["removal_effects", "turned_sum"]

MOST_BENDING_ROWS = 25_000

Weights = NDArray[np.float64]  # (outputs, width), the intercept last


def turned_sum(kept: Problem, weights: Weights, along: Weights) -> NDArray[np.float64]:
    """T of the module's formula: (outputs width, outputs width). `along` is a.

    It is summed over at most 25,000 rows and scaled up: it bends a removal that is itself one row in as many.
    """
    some = kept.every(-(-len(kept) // MOST_BENDING_ROWS)) if len(kept) else kept

    def turning(scores: Array, columns: Array) -> Array:
        return kept.head.turns(scores, columns.T @ along.T.astype(columns.dtype))

    return curvature_sum(some, weights, turning) * (len(kept) / max(len(some), 1))


def removal_effects(
    head: Head, scores: Array, slopes: Array, steps: tuple[Array, Array], forms: Array, once: Array
) -> Array:
    """Rise of the mean reference loss when each row of a block leaves, or, not being there, fails to join. (rows,).

    `slopes` are x' a, (rows, outputs); `steps` t and the change of the row's own scores (`row_steps`); `forms` the
    packed x' (H^-1 (H_ref - T) H^-1)_kl x, (rows, pairs); `once` is 1 for rows in the training and -1 for others.
    """
    straight = np.einsum("mk,mk->m", slopes, steps[0])
    bent = packed_form(forms, steps[0]) + once * packed_form(head.turns(scores, slopes), steps[1])
    return np.asarray(once * (straight + bent / 2))
