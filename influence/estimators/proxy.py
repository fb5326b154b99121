"""A user's estimator as a proxy: by its exact curvature where that is known, else by subset models.

A LogisticRegression or a Ridge, alone or at the end of a Pipeline, has one optimum, and what a row did to it is a
closed formula: the linear proxy at the estimator's own penalty, on the features its last step sees. It stands for the
estimator only if it gives the same predictions. Every other estimator is trained many times (`by_subsets`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.estimators.by_subsets import BySubsets
from culpa.influence.estimators.linear_head import linear_head
from culpa.influence.estimators.model import check_estimator
from culpa.influence.estimators.panels import draw_panels
from culpa.influence.estimators.task import Task, call_factory
from culpa.influence.proxy import Fitted, ProxyScores, ReferenceInfluence
from culpa.influence.rows import Rows

__all__ = ["FittedEstimator", "fit_estimator"]


@dataclass(frozen=True)
class FittedEstimator:
    """A trained estimator, and who judges its rows."""

    name: str  # of the estimator's class, in lower case
    description: str
    judge: Fitted
    steps: Any = None  # of a Pipeline, before the last; fitted

    def scores(self) -> ProxyScores:
        """Score every row with and without itself."""
        return self.judge.scores()

    def influence_on(self, reference: Rows) -> ReferenceInfluence:
        """Influence of every row on the reference rows, nats (regression: squared target units / 2), positive helps."""
        return self.judge.influence_on(self._seen(reference))

    def influence_between(self, index: NDArray[Any], reference: Rows) -> NDArray[np.float64]:
        """influence(i, v) of a few rows on each reference row: (rows in index, reference rows), positive helps."""
        return self.judge.influence_between(index, self._seen(reference))

    def report(self) -> dict[str, object]:
        """What a run records of this proxy."""
        by = "exact curvature" if self.judge.name == "linear" else self.judge.name
        return {"estimator": self.description, "judged_by": by, **self.judge.report()}

    def _seen(self, rows: Rows) -> Rows:
        if self.steps is None or not len(rows):
            return rows
        return replace(rows, features=self.steps.transform(rows.features))


def fit_estimator(
    factory: Callable[..., Any],
    rows: Rows,
    keep: NDArray[np.bool_] | None = None,
    *,
    seed: int,
    models: int | None = None,
) -> FittedEstimator:
    """Train what the factory makes on the kept rows: once if its curvature is known, else `models` times on subsets.

    `factory` gives a fresh unfitted estimator, and may take a `Task`. Wherever the estimator takes a random_state, each
    training gets its own, from `seed`. `models` left out: 100 up to 10,000 rows, then a million / rows, never fewer
    than 20, unless they would fill more than a gigabyte (ten at least). The standard error of an effect is s (1 / (.7
    M) + 1 / (.3 M))^1/2 with M models, s how far the outcome moves from model to model: .22 s with 100, .49 s with 20.
    Given, `models` also rules the closed formula out. Errors: ValueError for no kept row, and for estimators that do
    not fit the labels or cannot be trained on so few rows.

    >>> from sklearn.naive_bayes import GaussianNB
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows = Rows(x, (x[:, 0] > 0).astype(np.int64), 2, np.arange(60))
    >>> scores = fit_estimator(GaussianNB, rows, seed=0, models=20).scores()
    >>> bool(scores.own_with.mean() > scores.own_without.mean())
    True
    """
    keep = np.ones(len(rows), np.bool_) if keep is None else keep
    if not keep.any():
        raise ValueError(f"none of {len(rows)} rows is kept, at least one is needed to train on: keep some rows")
    task = Task.of(rows, seed)

    def make(number: int) -> Any:
        return call_factory(factory, replace(task, seed=number))

    estimator = make(seed)
    check_estimator(estimator, rows.classes)
    name, description = _kind(estimator), " ".join(str(estimator).split())
    head = linear_head(estimator, rows, keep) if models is None else None
    if head is not None:
        return FittedEstimator(name, description, head.fitted, head.steps)
    return FittedEstimator(name, description, BySubsets(rows, draw_panels(make, rows, keep, models=models, seed=seed)))


def _kind(estimator: Any) -> str:
    """The class's name, of a Pipeline that of its last step."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return type(last).__name__.lower() or "estimator"
