"""Proxies beyond the built-in three: the reader of texts, and what a user brings as MODULE:FACTORY.

A factory gives a scikit-learn estimator or a network's recipe. Both become a fitted proxy; from then on nobody asks
which of the two it was.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.estimators import Task, call_factory, fit_estimator, load_factory
from culpa.influence.estimators.model import Blank, fit_model
from culpa.influence.proxies import READER, ProxyOptions
from culpa.influence.proxy import Fitted, Refitted
from culpa.influence.rows import Rows

if TYPE_CHECKING:
    from culpa.influence.network import Recipe

__all__ = ["fit_brought", "outcomes_of_one"]

# Of the reader, AUROC of mean influence on trusted rows for the wrong labels of Yoruba titles, four orders of the rows:
# EK-FAC .69 to .74, TracIn-WE .59 to .66 (which names the words to blame, whatever the method).
USUAL_METHOD = "ekfac"


def fit_brought(
    name: str, rows: Rows, keep: NDArray[np.bool_], *, seed: int, before: Fitted | None, options: ProxyOptions
) -> Fitted:
    """The named proxy fitted on the kept rows, or the earlier one fitted again.

    Errors: ValueError for a method or layers asked of an estimator that has no gradients, and for rows without tokens.
    """
    if isinstance(before, Refitted):
        return before.again(rows, keep)
    made = _made(name, rows, seed)
    if hasattr(made, "fit"):
        _check_no_network(name, options)
        return fit_estimator(load_factory(name), rows, keep, seed=seed)
    return _fit_network(name, made, rows, keep, seed, options)


def outcomes_of_one(name: str, rows: Rows, keep: NDArray[np.bool_], others: Rows, *, seed: int) -> NDArray[np.float64]:
    """What the named estimator, trained once on the kept rows, says of other rows: (others, classes) or (others, 1).

    Its proxy may be a hundred of it, each trained on a share of the rows; who asks what becomes of the others without
    some rows needs but one.
    """
    factory, task = load_factory(name), Task.of(rows, seed)
    middle = 0.0 if rows.classes else float(rows.labels[keep].mean())
    blank = Blank(rows.classes, int(keep.sum()), middle)
    model = fit_model(
        lambda number: call_factory(factory, replace(task, seed=number)), rows, keep, seed=seed, blank=blank
    )
    return model.outcomes(others.features)


def _made(name: str, rows: Rows, seed: int) -> Any:
    if name == READER:
        from culpa.influence.words import text_recipe

        return text_recipe(rows.vocabulary, rows.classes)
    return call_factory(load_factory(name), Task.of(rows, seed))


def _fit_network(
    name: str, recipe: "Recipe", rows: Rows, keep: NDArray[np.bool_], seed: int, options: ProxyOptions
) -> Fitted:
    from culpa.influence.neural import Judge, Kept, fit_network

    judge = Judge(method=options.method or USUAL_METHOD, layers=options.layers)
    kept = Kept(options.kept, options.code)
    return fit_network(name, recipe, rows, keep, seed=seed, judge=judge, held_out=options.held_out, kept=kept)


def _check_no_network(name: str, options: ProxyOptions) -> None:
    if options.method or options.layers:
        raise ValueError(
            f"{name} makes an estimator, which is judged by training it again: leave method and layers out, or return "
            "a network's recipe"
        )
