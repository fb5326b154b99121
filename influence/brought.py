"""Proxies beyond the built-in three: the reader of texts, and what a user brings as MODULE:FACTORY.

A factory gives a scikit-learn estimator or a network's recipe. Both become a fitted proxy; from then on nobody asks
which of the two it was.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.estimators import Task, call_factory, fit_estimator, load_factory
from culpa.influence.proxies import READER, ProxyOptions
from culpa.influence.proxy import Fitted, Refitted
from culpa.influence.rows import Rows

if TYPE_CHECKING:
    from culpa.influence.network import Recipe

__all__ = ["fit_brought"]

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
