"""Estimators whose rows the linear proxy judges exactly: logistic and ridge regression, alone or ending a Pipeline.

The proxy is fitted anew with the estimator's own penalty, so that every row is at the true optimum, and its intercept
bears a hundredth of it, where scikit-learn's is free. It stands for the estimator only if both predict alike: else the
estimator was stopped early, weighs its rows, or is another model than its name says. What the steps of a Pipeline
learned from a row (means, axes) is taken as given.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from culpa.influence.linear import FittedLinear, fit_linear
from culpa.influence.rows import Rows

__all__ = ["LinearHead", "linear_head"]

MOST_APART = 0.02  # of a probability, or of the targets' standard deviation


@dataclass(frozen=True)
class LinearHead:
    """The linear proxy that stands for an estimator, on the features its last step sees."""

    fitted: FittedLinear
    steps: Any  # the steps before it, fitted; None without any


def linear_head(estimator: Any, rows: Rows, keep: NDArray[np.bool_]) -> LinearHead | None:
    """The linear proxy in an unfitted estimator's place, or None where it is another model. Trains it once."""
    steps = estimator[:-1] if isinstance(estimator, Pipeline) and len(estimator.steps) > 1 else None
    l2 = _penalty(estimator[-1] if isinstance(estimator, Pipeline) else estimator, int(keep.sum()))
    if l2 is None or (rows.classes and len(np.unique(rows.labels[keep])) < rows.classes):
        return None
    estimator.fit(rows.features[keep], rows.labels[keep])
    features: Any = rows.features if steps is None else steps.transform(rows.features)
    if not isinstance(features, np.ndarray):
        return None
    seen = replace(rows, features=features)
    fitted = fit_linear(seen, keep, l2=2 * l2 if rows.classes == 2 else l2)  # its two scores share what one bears
    return LinearHead(fitted, steps) if _apart(estimator, fitted, rows, seen) <= MOST_APART else None


def _penalty(last: Any, rows: int) -> float | None:
    """The l2 on the mean loss of a plain logistic or ridge regression, or None."""
    from culpa.influence.gradients.scikit_losses import damping_of  # torch

    plain = (isinstance(last, LogisticRegression) and last.class_weight is None) or (
        isinstance(last, Ridge) and not last.positive
    )
    if not plain or not last.fit_intercept:
        return None
    with suppress(ValueError):  # another penalty
        return damping_of(last, rows) or None
    return None


def _apart(estimator: Any, fitted: FittedLinear, rows: Rows, seen: Rows) -> float:
    """How far the two predict apart at most: probabilities, or in standard deviations of the targets."""
    found = fitted.predict(seen)
    if rows.classes:
        return float(np.abs(found - estimator.predict_proba(rows.features)).max())
    scale = rows.labels[fitted.keep].std() or 1.0
    return float(np.abs(found[:, 0] - estimator.predict(rows.features)).max() / scale)
