"""The linear proxy: softmax or ridge regression, each row's influence and its scores with and without itself.

With the exact curvature everything is one pass over blocks of rows per question, and no model is fitted again; with
the cheaper forms, folds judge a row from outside (`crossed`).
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.candidates import influence_of_candidates
from culpa.influence.linear.choose import Curvature, agreement, fit_curvature
from culpa.influence.linear.crossed import FOLDS, crossed_scores
from culpa.influence.linear.duplicates import LeavingRows, leaving_rows
from culpa.influence.linear.fit import fit_weights
from culpa.influence.linear.heads import Array, head_for, probabilities
from culpa.influence.linear.problem import Problem, penalties, predict
from culpa.influence.linear.products import Forms, blocks, packed_width, with_constant
from culpa.influence.linear.reference import influence_on
from culpa.influence.linear.strength import Strength, choose_strength
from culpa.influence.linear.wide import narrow_axes
from culpa.influence.linear.without import row_steps
from culpa.influence.proxy import ProxyScores, ReferenceInfluence, score_blocks
from culpa.influence.rows import Rows

__all__ = ["FittedLinear", "fit_linear"]

MEMORY = 2.0**30  # bytes for the curvature
LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class _Leaving:
    """What a block of rows does to the model by leaving it, or by joining."""

    scores: Array  # (rows, outputs) with the rows as they are
    residuals: Array  # (rows, outputs)
    factors: tuple[Array, Array]  # of each row's curvature
    forms: Array  # G of each row
    steps: Array  # (rows, outputs) t of `row_steps`
    moved: Array  # (rows, outputs) change of the scores


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
        """Score every row with and without itself: in one pass, or by folds where the curvature is not exact."""
        copies = leaving_rows(self.rows, self.keep, self.groups)
        forms_of = self.curvature.forms(self.rows.features.dtype)
        exact = self.curvature.form == "exact"
        crossed = None if exact else crossed_scores(self.rows, self.keep, self.groups, self.weights)
        moves = [np.empty((len(self.rows) if exact else 0, len(self.weights)), self.rows.features.dtype) for _ in "tG"]

        def score(block: slice) -> ProxyScores:
            found = self._leave(block, forms_of)
            if exact:
                moves[0][block], moves[1][block] = found.steps, found.moved
            return self._score(block, found, copies if crossed is None else crossed[block])

        whole = score_blocks(len(self.rows), len(self.weights), self._blocks(), score, threads=False)
        if exact:
            vars(self)["steps"] = tuple(moves)  # half the work: influence need not do it again
        return whole

    @cached_property
    def steps(self) -> tuple[Array, Array]:
        """How weights and scores move as each row leaves or joins (`row_steps`), (rows, outputs) each."""
        forms_of = self.curvature.forms(self.rows.features.dtype)
        parts = [self._leave(block, forms_of) for block in self._blocks()]
        return np.concatenate([part.steps for part in parts]), np.concatenate([part.moved for part in parts])

    def __getstate__(self) -> dict[str, object]:
        """Leave out what can be made again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def influence_on(self, reference: Rows) -> ReferenceInfluence:
        """Influence of every row on the reference rows, nats (regression: squared target units / 2), positive helps."""
        steps = self.steps if self.curvature.form == "exact" else None
        return influence_on(self.rows, self.keep, self.weights, self.curvature, self._problem(reference), steps)

    def influence_between(self, index: NDArray[Any], reference: Rows) -> Array:
        """influence(i, v) of a few rows on each reference row: (rows in index, reference rows), positive helps."""
        features = self.rows.features[index]
        residuals = self.rows.head.residuals(predict(features, self.weights), self.rows.labels[index])
        gradients = residuals[:, :, None] * with_constant(features).T[:, None, :].astype(np.float64)
        solved = self.curvature.solve(gradients).astype(self.rows.features.dtype)
        others = self._problem(reference)
        reactions = others.head.residuals(predict(others.features, self.weights), others.labels)
        slopes = solved.reshape(-1, solved.shape[-1]) @ with_constant(others.features)
        parts = slopes.reshape(len(solved), -1, len(reference))
        return np.asarray(np.einsum("ikv,vk->iv", parts, reactions), np.float64)

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
            "without": "leave-one-out" if exact else f"{FOLDS} folds",
            "parameters": self.weights.size,
            "solved_in": "rows" if self.axes is not None else "features",
        }

    @property
    def feature_weights(self) -> NDArray[np.float64]:
        """The weights of the features as they came, (outputs, features), the intercept left out."""
        plain = self.weights[:, :-1]
        return np.asarray(plain if self.axes is None else plain @ self.axes.T, np.float64)

    def predict(self, rows: Rows) -> Array:
        """Probabilities of other rows, (rows, classes), or predictions, (rows, 1)."""
        return self._outcomes(predict(self._problem(rows).features, self.weights))

    def predict_without(self, keep: NDArray[np.bool_], rows: Rows) -> Array:
        """Outcomes of other rows by the optimum on the rows `keep` alone, (rows, classes) or (rows, 1).

        rows * l2 stays put, as in the influence; the search starts from these weights, and with this curvature.
        """
        share = self.keep.sum() / keep.sum()
        kept = replace(
            self.rows,
            features=self.rows.features[keep],
            labels=self.rows.labels[keep],
            penalty=self.rows.penalty * share,
        )
        inverse = getattr(self.curvature, "inverse", None)
        weights = fit_weights(kept, self.weights, inverse=None if inverse is None else inverse * share)
        return self._outcomes(predict(self._problem(rows).features, weights))

    def over(self, rows: Rows) -> "FittedLinear":
        """The same model over other rows, or these with other labels: where `predict_without` starts."""
        return replace(self, rows=self._problem(rows))

    def _problem(self, rows: Rows) -> Problem:
        """Other rows as a problem on this model's axes."""
        features = rows.features if self.axes is None else rows.features @ self.axes
        return replace(self.rows, features=features, labels=rows.labels)

    def _blocks(self) -> list[slice]:
        return list(blocks(len(self.rows), packed_width(self.weights.shape[1])))

    def _leave(self, block: slice, forms_of: Forms) -> _Leaving:
        """Take each row of a block out, or put it in where it took no part."""
        head, features = self.rows.head, self.rows.features[block]
        scores = predict(features, self.weights)
        residuals, factors = head.residuals(scores, self.rows.labels[block]), head.curvature_factors(scores)
        forms = forms_of(with_constant(features))
        once = np.where(self.keep[block], 1, -1).astype(scores.dtype)
        return _Leaving(scores, residuals, factors, forms, *row_steps(forms, factors, once[:, None] * residuals, once))

    def _score(self, block: slice, found: _Leaving, others: LeavingRows | Array) -> ProxyScores:
        """Scores of one block of rows; `others` are their duplicates, or their scores by models without their fold."""
        labels, keep = self.rows.labels[block], self.keep[block]
        now, then = self._outcomes(found.scores), self._outcomes(found.scores + found.moved)
        own = np.arange(len(labels)), labels if len(self.weights) > 1 else 0
        own_with = np.where(keep, now[own], then[own])
        if isinstance(others, LeavingRows):
            without = np.where(keep[:, None], then, now)
            own_without = without[own]
            self._leave_together(block, found, others, without)
        else:
            without = self._outcomes(others)
            own_without = without[own]
        self_influence = self.curvature.own(found.forms, found.residuals).astype(np.float64).clip(0)
        return ProxyScores(without, own_with, own_without, self_influence)

    def _leave_together(self, block: slice, found: _Leaving, copies: LeavingRows, without: Array) -> None:
        """Let the rows that have duplicates leave with all of them; overwrites their outcomes in `without`."""
        some = copies.several[block]
        if not some.any():
            return
        count, summed = copies.residuals(block, some, found.residuals[some])
        factors = found.factors[0][some], found.factors[1][some]
        moved = row_steps(found.forms[some], factors, summed, count)[1]
        without[some] = self._outcomes(found.scores[some] + moved)

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
    slack: float = 1.0,
) -> FittedLinear:
    """Softmax (classes) or ridge (no classes) regression on the kept rows.

    `l2` is the penalty on the mean loss, l2 / 2 * weights^2; left out, it is chosen by out-of-sample loss (`strength`).
    `memory`, in bytes, decides the form of the curvature (`choose`). `start` are weights of a similar fit to begin
    from; `slack` is how many times the usual tolerance will do.

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
    weights = fit_weights(kept, start, slack)
    return FittedLinear(whole, keep, rows.groups, weights, fit_curvature(kept, weights, memory), axes, strength)
