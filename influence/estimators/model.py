"""One trained estimator as a proxy needs it: a probability of every class, or a number, whatever it was trained on.

A subset may lack a class, or have one alone, and trees are certain of what they never saw otherwise. So to the kept
rows comes one more that may be of any class: p becomes (kept p + 1 / classes) / (kept + 1), strictly inside (0, 1). A
subset of one class, or of no row, trains nothing and says just that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.rows import Rows

__all__ = ["Blank", "Make", "Model", "check_estimator", "fit_model"]

Array = NDArray[np.float64]
Make = Callable[[int], Any]  # seed -> a fresh unfitted estimator


@dataclass(frozen=True)
class Blank:
    """What is said of a row where nothing is known."""

    classes: int  # 0 = regression
    kept: int  # rows that are trained on, in all
    middle: float  # of their targets


@dataclass(frozen=True)
class Model:
    """A fitted estimator, or what stands for one."""

    estimator: Any  # None where nothing could be trained
    codes: NDArray[np.intp]  # the class that each of its columns stands for
    rows: int  # it was trained on
    blank: "Blank"

    def outcomes(self, features: NDArray[Any]) -> Array:
        """Probabilities, (rows, classes), or predictions, (rows, 1)."""
        blank = self.blank
        if not blank.classes:
            if self.estimator is None:
                return np.full((len(features), 1), blank.middle)
            return np.asarray(self.estimator.predict(features), np.float64).reshape(-1, 1)
        p = np.full((len(features), blank.classes), 0.0 if len(self.codes) else 1 / blank.classes)
        if len(self.codes):
            p[:, self.codes] = 1.0 if self.estimator is None else self._probabilities(features)
        return (blank.kept * p + 1 / blank.classes) / (blank.kept + 1)

    def _probabilities(self, features: NDArray[Any]) -> Array:
        p = np.asarray(self.estimator.predict_proba(features), np.float64)
        if not np.isfinite(p).all():
            raise ValueError(
                f"{type(self.estimator).__name__} gives probabilities that are not finite: look for features far off, "
                "or put a StandardScaler before it"
            )
        return p / p.sum(axis=1, keepdims=True)


def fit_model(make: Make, rows: Rows, mask: NDArray[np.bool_], *, seed: int, blank: Blank) -> Model:
    """A fresh estimator trained on the rows under the mask. Errors: ValueError where it cannot be."""
    features, labels = rows.features[mask], rows.labels[mask]
    codes = np.unique(labels).astype(np.intp) if rows.classes else np.zeros(0, np.intp)
    if not len(labels) or (rows.classes and len(codes) < 2):
        return Model(None, codes, len(labels), blank)
    estimator = _seeded(make(seed), seed)
    try:
        estimator.fit(features, labels)
    except Exception as error:  # the user's estimator may fail in any way
        raise ValueError(
            f"{type(estimator).__name__} could not be trained on {len(labels)} of the {len(rows)} rows "
            f"({type(error).__name__}: {error}): bring more rows, or a model that needs fewer"
        ) from error
    if rows.classes:
        codes = np.asarray(estimator.classes_).astype(np.intp)
    return Model(estimator, codes, len(labels), blank)


def check_estimator(estimator: Any, classes: int) -> None:
    """Refuse an estimator that cannot say what its rows need. Errors: ValueError with the cure."""
    kind = type(estimator).__name__
    if not hasattr(estimator, "fit"):
        raise ValueError(f"the factory makes a {kind}, which has no fit: a network's recipe goes to fit_network")
    if classes and not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"{kind} has no predict_proba, and a score without scale is no probability: wrap it in "
            f"sklearn.calibration.CalibratedClassifierCV, or for a label that is a number name the task regression"
        )
    if not classes and hasattr(estimator, "predict_proba"):
        raise ValueError(f"{kind} tells classes apart, and the label is a number: return a regressor")


def _seeded(estimator: Any, seed: int) -> Any:
    """The estimator with this seed wherever it, or a part of it, takes one."""
    if hasattr(estimator, "get_params"):
        names = [one for one in estimator.get_params() if one.split("__")[-1] == "random_state"]
        if names:
            estimator.set_params(**dict.fromkeys(names, seed))
    return estimator
