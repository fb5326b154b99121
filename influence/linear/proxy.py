"""The linear proxy: softmax or ridge regression, each row's influence and its scores with and without itself.

Everything is one pass over blocks of rows per question; no model is fitted again for any row.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.candidates import influence_of_candidates
from culpa.influence.linear.choose import Curvature, agreement, fit_curvature
from culpa.influence.linear.duplicates import LeavingRows, leaving_rows
from culpa.influence.linear.fit import fit_weights
from culpa.influence.linear.heads import Array, head_for, probabilities
from culpa.influence.linear.problem import Problem, penalties, predict
from culpa.influence.linear.products import Forms, blocks, packed_width, with_constant
from culpa.influence.linear.reference import influence_on
from culpa.influence.linear.strength import Strength, choose_strength
from culpa.influence.linear.wide import narrow_axes
from culpa.influence.linear.without import score_changes
from culpa.influence.proxy import ProxyScores, ReferenceInfluence
from culpa.influence.rows import Rows

__all__ = ["FittedLinear", "fit_linear"]

MEMORY = 2.0**30  # bytes for the curvature
LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class FittedLinear:
    """A fitted linear model with its curvature, over the rows it was given."""

    rows: Problem  # all rows, kept or not, on the narrow axes if there are any
    keep: NDArray[np.bool_]  # (rows,) which took part in the training
    groups: NDArray[np.int64]  # (rows,) duplicate groups
    weights: NDArray[np.float64]  # (outputs, width), intercept last
    curvature: Curvature
    axes: Array | None
    strength: Strength
    name = "linear"

    def scores(self) -> ProxyScores:
        """Score every row with and without itself, in one pass."""
        leaving = leaving_rows(self.rows, self.keep, self.groups)
        forms = self.curvature.forms(self.rows.features.dtype)
        parts = [self._score(block, leaving, forms) for block in self._blocks()]
        without, own_with, own_without, self_influence = (np.concatenate(part) for part in zip(*parts, strict=True))
        return ProxyScores(without, own_with, own_without, self_influence)

    def influence_on(self, reference: Rows) -> ReferenceInfluence:
        """Influence of every row on the reference rows, nats (regression: squared target units / 2), positive helps."""
        return influence_on(self.rows, self.keep, self.weights, self.curvature, self._problem(reference))

    def influence_between(self, index: NDArray[Any], reference: Rows) -> Array:
        """influence(i, v) of a few rows on each reference row: (rows in index, reference rows), positive helps."""
        features = self.rows.features[index]
        residuals = self.rows.head.residuals(predict(features, self.weights), self.rows.labels[index])
        gradients = residuals[:, :, None] * with_constant(features).T[:, None, :].astype(np.float64)
        solved = self.curvature.solve(gradients)
        others = self._problem(reference)
        reactions = others.head.residuals(predict(others.features, self.weights), others.labels)
        return np.einsum("ikw,wv,vk->iv", solved, with_constant(others.features), reactions, optimize=True)

    def influence_of_candidates(self, reference: Rows, most: int) -> Array:
        """Influence that each of the first `most` reference rows, under each label, would have on the *others*' mean.

        (rows, classes), positive helps: what a training row with these features and that label would get.
        """
        return influence_of_candidates(self._problem(reference), self.weights, self.curvature, most)

    def report(self) -> dict[str, object]:
        """What a run records of this proxy."""
        exact = self.curvature.form == "exact"
        kept = replace(self.rows, features=self.rows.features[self.keep], labels=self.rows.labels[self.keep])
        return {
            "l2": self.strength.l2,
            "l2_grid": self.strength.tried,
            "curvature": self.curvature.form,
            "curvature_agreement": 1.0 if exact else agreement(kept, self.weights, self.curvature),
            "parameters": self.weights.size,
            "solved_in": "rows" if self.axes is not None else "features",
        }

    def _problem(self, rows: Rows) -> Problem:
        """Other rows as a problem on this model's axes."""
        features = rows.features if self.axes is None else rows.features @ self.axes
        return replace(self.rows, features=features, labels=rows.labels)

    def _blocks(self) -> list[slice]:
        return list(blocks(len(self.rows), packed_width(self.weights.shape[1])))

    def _score(self, block: slice, leaving: LeavingRows, forms_of: Forms) -> tuple[Array, Array, Array, Array]:
        """`ProxyScores` of one block of rows."""
        head, labels, keep = self.rows.head, self.rows.labels[block], self.keep[block]
        features = self.rows.features[block]
        scores = predict(features, self.weights)
        residuals, factors = head.residuals(scores, labels), head.curvature_factors(scores)
        forms = forms_of(with_constant(features))
        once = np.where(keep, 1.0, -1.0).astype(scores.dtype)
        turned = scores + score_changes(forms, factors, once[:, None] * residuals, once)
        now, then = self._outcomes(scores), self._outcomes(turned)
        with_row, without_row = np.where(keep[:, None], now, then), np.where(keep[:, None], then, now)
        own = np.arange(len(labels)), labels if len(self.weights) > 1 else 0
        own_with, own_without = with_row[own], without_row[own]
        some = leaving.several[block]
        if some.any():
            copies, summed = leaving.residuals(block, some, residuals[some])
            moved = score_changes(forms[some], (factors[0][some], factors[1][some]), summed, copies)
            without_row[some] = self._outcomes(scores[some] + moved)
        self_influence = self.curvature.own(forms, residuals).astype(np.float64).clip(0)
        return without_row, own_with, own_without, self_influence

    def _outcomes(self, scores: Array) -> Array:
        """Probabilities, strictly inside (0, 1), or predictions: (rows, classes or 1)."""
        if len(self.weights) == 1:
            return scores.astype(np.float64)
        p = probabilities(scores.astype(np.float64)).clip(LEAST_PROBABILITY)
        return p / p.sum(axis=1, keepdims=True)


def fit_linear(
    rows: Rows,
    keep: NDArray[np.bool_] | None = None,
    *,
    l2: float | None = None,
    memory: float = MEMORY,
    start: NDArray[np.float64] | None = None,
) -> FittedLinear:
    """Softmax (classes) or ridge (no classes) regression on the kept rows.

    `l2` is the penalty on the mean loss, l2 / 2 * weights^2; left out, it is chosen by exact leave-one-out log-loss.
    `memory`, in bytes, decides the form of the curvature (`choose`). `start` are weights of a similar fit to begin
    from.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows = Rows(x, (x[:, 0] > 0).astype(np.int64), 2, np.arange(60))
    >>> fitted = fit_linear(rows, l2=0.01)
    >>> bool((fitted.scores().self_influence >= 0).all())
    True
    """
    keep = np.ones(len(rows), np.bool_) if keep is None else keep
    if not keep.any():
        raise ValueError(f"none of {len(rows)} rows is kept, at least one is needed to fit weights: keep some rows")
    strength = Strength(l2, []) if l2 is not None else choose_strength(rows, keep, fit_linear)
    axes = narrow_axes(rows.features)
    features = rows.features if axes is None else rows.features @ axes
    whole = Problem(features, rows.labels, head_for(rows.classes), penalties(features.shape[1], strength.l2))
    kept = whole if keep.all() else replace(whole, features=features[keep], labels=rows.labels[keep])
    weights = fit_weights(kept, start)
    return FittedLinear(whole, keep, rows.groups, weights, fit_curvature(kept, weights, memory), axes, strength)
