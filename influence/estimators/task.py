"""What a factory is told about the data before it makes a model, and how it is called."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from culpa.influence.rows import Rows

__all__ = ["Task", "call_factory"]

RECIPES = "culpa.influence.network.recipe"  # not imported here: it would bring torch


@dataclass(frozen=True, kw_only=True)
class Task:
    """The shape of what a model is to learn."""

    features: int  # columns of the feature matrix
    classes: int  # 0 = regression
    vocabulary: int | None  # different tokens, where rows are texts,
    positions: int | None  # and tokens in a row
    seed: int

    @classmethod
    def of(cls, rows: Rows, seed: int) -> "Task":
        """The task that these rows set."""
        reads = rows.tokens is not None
        return cls(
            features=rows.features.shape[1],
            classes=rows.classes,
            vocabulary=rows.vocabulary if reads else None,
            positions=rows.tokens.shape[1] if rows.tokens is not None else None,
            seed=seed,
        )


def call_factory(factory: Callable[..., Any], task: Task) -> Any:
    """A fresh unfitted scikit-learn estimator, or a network's recipe.

    The factory gets the task where it asks for it, by an argument without a default or one called `task`. Errors:
    ValueError for anything else that it returns.
    """
    made = factory(task) if _asks(factory) else factory()
    if isinstance(made, type):
        raise ValueError(f"the factory returned the class {made.__name__} itself, needed a model: call it, add ()")
    if not (_is_recipe(made) or (callable(getattr(made, "fit", None)) and callable(getattr(made, "predict", None)))):
        raise ValueError(
            f"the factory returned a {type(made).__name__}, needed a scikit-learn estimator (with fit and predict) or "
            "a culpa.influence.network.Recipe"
        )
    return made


def _asks(factory: Callable[..., Any]) -> bool:
    """Whether a factory takes the task."""
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [one for one in inspect.signature(factory).parameters.values() if one.kind in places]
    return any(one.default is inspect.Parameter.empty or one.name == "task" for one in parameters[:1])


def _is_recipe(made: Any) -> bool:
    """Nobody can hold a recipe whose module was never imported."""
    recipes = sys.modules.get(RECIPES)
    return recipes is not None and isinstance(made, recipes.Recipe)
