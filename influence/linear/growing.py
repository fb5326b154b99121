"""A linear model that grows with its data: rows join and leave at the price of these rows alone.

The summed loss of all rows so far is kept as its optimum and its Hessian there. When rows join or leave,

    (w - w0)' H0 (w - w0) / 2 + sum of the joining rows' losses - sum of the leaving rows' losses

is minimised by Newton's method, so the rows that come are counted exactly and those that were there to second order;
for ridge regression both are exact. The folds that take turns as reference keep the same, each with the panel of its
reference rows. A fold follows from a row's own features, so that a row that leaves is found again.
Caveat: H0 is the Hessian at the old optimum. The further the weights move, the less it holds: begin again once the
rows that came are a good part of those that were there (`GROWN`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.exact import ExactCurvature, hessian, invert, solver
from culpa.influence.linear.heads import head_for
from culpa.influence.linear.panel import Panel, Weights, measure_panel
from culpa.influence.linear.problem import INTERCEPT_SHARE, Problem
from culpa.influence.linear.products import blocks
from culpa.influence.linear.proxy import FittedLinear, fit_linear
from culpa.influence.linear.removal import turned_sum
from culpa.influence.linear.strength import Strength
from culpa.influence.rows import Rows

__all__ = ["GROWN", "Fold", "Growing", "Optimum", "begin_growing", "fold_of"]

GROWN = 0.2  # share of the first rows that may have come or gone since
MOST_STEPS = 30
SMALLEST_STEP = 1e-10  # of a weight
FOLDS = 2  # of many rows, half are reference enough

Mask = NDArray[np.bool_]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Optimum:
    """Where a fit stands, and how its summed loss curves there, the penalty included."""

    weights: Weights
    hessian: Matrix  # (outputs width, outputs width)
    rows: int

    def moved(self, joining: Problem, leaving: Problem) -> "Optimum":
        """The optimum with and without these rows."""
        weights, whole = self.weights, self.hessian
        for _ in range(MOST_STEPS):
            gradient = self.hessian @ (weights - self.weights).ravel()
            gradient = gradient + _gradient(joining, weights) - _gradient(leaving, weights)
            whole = self.hessian + _curving(joining, weights) - _curving(leaving, weights)
            step = solver(whole.copy())(gradient).reshape(weights.shape)
            weights = weights - step
            if np.abs(step).max() < SMALLEST_STEP:
                break
        return Optimum(weights, whole, self.rows + len(joining) - len(leaving))

    @property
    def curvature(self) -> ExactCurvature:
        """The inverse of the Hessian."""
        return ExactCurvature(invert(self.hessian.copy()), len(self.weights))


@dataclass(frozen=True)
class Fold:
    """Rows that take their turn as reference: the model of all other rows, and the panel of those that may vote."""

    others: Optimum
    panel: Panel

    def moved(self, joining: Problem, leaving: Problem, voting: Problem, silenced: Problem) -> "Fold":
        """After rows of other folds have joined and left, and `voting` and `silenced` ones of this fold."""
        others = self.others.moved(joining, leaving)
        panel = self.panel.moved(others.weights - self.others.weights)
        curvature, nobody = others.curvature, _none_of(joining)
        for some, sign in ((voting, 1), (silenced, -1)):
            if len(some):
                panel = panel.joined(measure_panel(nobody, others.weights, curvature, some), sign)
        along = curvature.solve(panel.mean)
        turned = turned_sum(joining, others.weights, along) - turned_sum(leaving, others.weights, along)
        return Fold(others, replace(panel, turned=panel.turned + turned))


@dataclass(frozen=True)
class Growing:
    """The model of all rows so far, and its folds."""

    classes: int  # 0 = regression
    penalty: float  # rows * l2: it stays put when rows come or go
    began_with: int  # rows
    changed: int  # rows that came or went since
    whole: Optimum
    folds: tuple[Fold, ...]

    @property
    def is_stale(self) -> bool:
        """Whether so much has changed that one should begin again."""
        return self.changed > GROWN * self.began_with

    def joined(self, joining: Rows, leaving: Rows) -> "Growing":
        """The model of all rows with `joining` and without `leaving`; the panels are as they were (`heard`)."""
        here, gone = self.problem(joining), self.problem(leaving)
        changed = self.changed + len(joining) + len(leaving)
        return replace(self, changed=changed, whole=self.whole.moved(here, gone))

    def heard(self, joining: Rows, voting: Mask, leaving: Rows, silenced: Mask) -> "Growing":
        """The folds moved as well; of the rows that join and leave these may vote and might (rows,)."""
        places = fold_of(joining.features, len(self.folds)), fold_of(leaving.features, len(self.folds))
        folds = [
            fold.moved(
                self.problem(joining.take(places[0] != number)),
                self.problem(leaving.take(places[1] != number)),
                self.problem(joining.take((places[0] == number) & voting)),
                self.problem(leaving.take((places[1] == number) & silenced)),
            )
            for number, fold in enumerate(self.folds)
        ]
        return replace(self, folds=tuple(folds))

    def problem(self, rows: Rows) -> Problem:
        """Rows under this model's loss and its penalty on the mean of all rows so far."""
        shape = np.full(rows.features.shape[1] + 1, self.penalty / self.whole.rows)
        shape[-1] *= INTERCEPT_SHARE
        return Problem(rows.features, rows.labels, head_for(self.classes), shape)

    def over(self, rows: Rows, optimum: Optimum | None = None, keep: Mask | None = None) -> FittedLinear:
        """The proxy over some rows, all of them in the training but for those that `keep` leaves out."""
        optimum = optimum or self.whole
        everybody = np.ones(len(rows), np.bool_)
        strength = Strength(self.penalty / optimum.rows, [])
        taking_part = everybody if keep is None else keep
        problem, weights = self.problem(rows), optimum.weights
        return FittedLinear(problem, taking_part, rows.groups, weights, optimum.curvature, None, strength)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as plain arrays, to be kept; `Growing.of` reads them back."""
        counts = np.array([self.classes, self.began_with, self.changed, len(self.folds)], np.int64)
        found: dict[str, NDArray[Any]] = {"counts": counts, "penalty": np.array([self.penalty])}
        found |= _named("whole", self.whole)
        for number, fold in enumerate(self.folds):
            found |= _named(f"fold{number}.others", fold.others)
            found |= {f"fold{number}.panel.{name}": value for name, value in vars(fold.panel).items()}
        return found

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> "Growing":
        """What `arrays` gave. Errors: KeyError where something is missing."""
        classes, began_with, changed, folds = (int(one) for one in arrays["counts"])
        return Growing(
            classes,
            float(arrays["penalty"][0]),
            began_with,
            changed,
            _optimum("whole", arrays),
            tuple(
                Fold(
                    _optimum(f"fold{number}.others", arrays),
                    Panel(**{name: arrays[f"fold{number}.panel.{name}"] for name in Panel.__dataclass_fields__}),
                )
                for number in range(folds)
            ),
        )


def begin_growing(rows: Rows, voting: Mask, fitted: FittedLinear) -> Growing:
    """The growing model of these rows, `fitted` with the exact curvature on all of them; `voting` may be reference.

    Errors: ValueError where the curvature is not exact, or a fold holds no row that may vote.
    """
    if fitted.curvature.form != "exact" or fitted.axes is not None:
        raise ValueError(
            f"a model of {fitted.weights.size} parameters over {len(rows)} rows cannot grow, for that needs the exact "
            "curvature: score the batch beside a sample instead"
        )
    place = fold_of(rows.features, FOLDS)
    folds = tuple(_begin_fold(rows, fitted, place == number, voting) for number in range(FOLDS))
    penalty = fitted.strength.l2 * len(rows)
    return Growing(rows.classes, penalty, len(rows), 0, _optimum_of(fitted.rows, fitted.weights), folds)


def fold_of(features: NDArray[Any], folds: int) -> NDArray[np.intp]:
    """The fold of each row by its features alone, (rows,): equal rows share one, and nothing else is needed."""
    odd = np.random.default_rng(0).integers(1, 2**63, size=features.shape[1], dtype=np.uint64) | np.uint64(1)
    fold = np.empty(len(features), np.intp)
    for block in blocks(len(features), features.shape[1]):
        bits = (features[block].astype(np.float32) + np.float32(0)).view(np.uint32)  # -0 and 0 are equal
        mixed = (bits.astype(np.uint64) * odd).sum(axis=1, dtype=np.uint64)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        fold[block] = (mixed >> np.uint64(32)) % np.uint64(folds)
    return fold


def _begin_fold(rows: Rows, fitted: FittedLinear, mine: Mask, voting: Mask) -> Fold:
    apart = rows.take(~mine)
    l2 = fitted.strength.l2 * len(rows) / max(len(apart), 1)
    others = fit_linear(apart, l2=l2, start=fitted.weights)
    panel = rows.take(mine & voting)
    if not len(panel) or not isinstance(others.curvature, ExactCurvature):
        raise ValueError(f"a fold of {len(rows)} rows holds none that may be reference: bring more rows")
    reference = replace(others.rows, features=panel.features, labels=panel.labels)
    measured = measure_panel(others.rows, others.weights, others.curvature, reference)
    return Fold(_optimum_of(others.rows, others.weights), measured)


def _optimum_of(problem: Problem, weights: Weights) -> Optimum:
    return Optimum(weights, hessian(problem, weights, dtype=np.float64), len(problem))


def _gradient(problem: Problem, weights: Weights) -> Matrix:
    """Of the summed loss without its penalty, (parameters,)."""
    if not len(problem):
        return np.zeros(weights.size)
    return (problem.objective(weights)[1] - problem.penalty * weights).ravel() * len(problem)


def _curving(problem: Problem, weights: Weights) -> Matrix | float:
    """The Hessian of the same."""
    return hessian(replace(problem, penalty=0 * problem.penalty), weights) if len(problem) else 0.0


def _none_of(problem: Problem) -> Problem:
    return replace(problem, features=problem.features[:0], labels=problem.labels[:0])


def _named(name: str, optimum: Optimum) -> dict[str, NDArray[Any]]:
    rows = np.array([optimum.rows], np.int64)
    return {f"{name}.weights": optimum.weights, f"{name}.hessian": optimum.hessian, f"{name}.rows": rows}


def _optimum(name: str, arrays: Mapping[str, NDArray[Any]]) -> Optimum:
    return Optimum(arrays[f"{name}.weights"], arrays[f"{name}.hessian"], int(arrays[f"{name}.rows"][0]))
