"""Who judges: a model that is trained once on some rows and says what it makes of others.

The proxy, trained again with the choices it made before; or the user's own downstream model, MODULE:FACTORY, as any
user would train it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from culpa.influence.estimators import Task, call_factory, load_factory
from culpa.influence.estimators.model import Blank, check_estimator, fit_model
from culpa.influence.linear import FittedLinear
from culpa.influence.proxies import ProxyOptions, fit_proxy, is_brought
from culpa.influence.proxy import Fitted, Predictor, without
from culpa.influence.riding import riding, with_riders
from culpa.influence.rows import Rows

__all__ = ["Judge", "judge_of"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Judge(Protocol):
    """A model that can be trained again and again."""

    @property
    def name(self) -> str:
        """Its name in reports."""
        ...

    def outcomes(self, rows: Rows, keep: Mask, reference: Rows, *, seed: int) -> Array:
        """What it says of the reference rows once trained on the kept rows: (reference rows, classes), or (..., 1)."""
        ...


def judge_of(name: str, *, before: Fitted | None = None, options: ProxyOptions | None = None) -> Judge:
    """The judge of this name: a proxy, whose earlier fit settles its choices, or MODULE:FACTORY."""
    if isinstance(before, FittedLinear):
        return _Linear(before)
    if is_brought(name) and not isinstance(before, Predictor):
        return _Brought(name, options)
    return _Proxy(name, before, options)


@dataclass(frozen=True)
class _Linear:
    """The linear proxy: its strength, its weights to start from and its curvature to take steps with are known."""

    before: FittedLinear
    name = "linear"

    def outcomes(self, rows: Rows, keep: Mask, reference: Rows, *, seed: int) -> Array:
        """By the optimum on the kept rows, from the weights before."""
        return self.before.over(rows).predict_without(keep, reference)


@dataclass(frozen=True)
class _Proxy:
    """Another proxy, with the number of epochs and the like of the fit before."""

    name: str
    before: Fitted | None
    options: ProxyOptions | None

    def outcomes(self, rows: Rows, keep: Mask, reference: Rows, *, seed: int) -> Array:
        """By the proxy fitted again, or with the reference rows riding along where it cannot be asked of others."""
        fit: dict[str, Any] = {"seed": seed, "before": self.before, "options": self.options}
        if self.name in ("forest", "neighbors"):
            part = rows.take(keep)
            everybody = riding(np.ones(len(part), np.bool_), len(reference))
            return without(fit_proxy(self.name, with_riders(part, reference), everybody, **fit))[len(part) :]
        return _predicted(fit_proxy(self.name, rows, keep, **fit), reference)


@dataclass(frozen=True)
class _Brought:
    """A user's own model: an estimator is trained once, never on subsets."""

    name: str
    options: ProxyOptions | None

    def outcomes(self, rows: Rows, keep: Mask, reference: Rows, *, seed: int) -> Array:
        """By one training of the user's own model."""
        factory = load_factory(self.name)

        def make(seed: int) -> Any:
            return call_factory(factory, Task.of(rows, seed))

        made = make(seed)
        if not hasattr(made, "fit"):
            return _predicted(fit_proxy(self.name, rows, keep, seed=seed, options=self.options), reference)
        check_estimator(made, rows.classes)
        blank = Blank(rows.classes, int(keep.sum()), 0.0 if rows.classes else float(rows.labels[keep].mean()))
        return fit_model(make, rows, keep, seed=seed, blank=blank).outcomes(reference.features)


def _predicted(fitted: Fitted, reference: Rows) -> Array:
    if not isinstance(fitted, Predictor):
        raise TypeError(f"the proxy {fitted.name} has no predict: it cannot judge rows that it was not given")
    return np.asarray(fitted.predict(reference), np.float64)
