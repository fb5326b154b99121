"""A recipe and rows become a proxy: for how many epochs, with which objective, and how each row was learnt."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from culpa.influence.folds import assign_folds
from culpa.influence.gradients import Classification, Regression
from culpa.influence.network.recipe import Recipe
from culpa.influence.neural.kept import Kept
from culpa.influence.neural.proxy import FittedNetwork, Judge
from culpa.influence.neural.rows import batch_of, scale_of
from culpa.influence.neural.trainings import kept_epochs, looked_at
from culpa.influence.rows import Rows

__all__ = ["fit_network"]

HELD_OUT = 10  # of so many rows one is held out to stop early, where nothing else is


def fit_network(
    name: str,
    recipe: Recipe,
    rows: Rows,
    keep: NDArray[np.bool_] | None = None,
    *,
    seed: int,
    judge: Judge | None = None,
    held_out: Rows | None = None,
    kept: Kept | None = None,
) -> FittedNetwork:
    """Train the recipe's network on the kept rows.

    `held_out` rows tell when to stop, where the recipe has patience; without any, a tenth of the kept rows does. What
    was trained before on the same rows is taken from `kept`. Errors: ValueError for an objective that does not fit the
    labels, and for what `train` refuses.
    """
    keep, kept = np.ones(len(rows), np.bool_) if keep is None else keep, kept or Kept(None)
    if not keep.any():
        raise ValueError(f"none of {len(rows)} rows is kept, at least one is needed to train on: keep some rows")
    recipe = _fitting(recipe, rows)
    if recipe.patience is not None:
        recipe = _patient(kept, recipe, rows.take(keep), held_out, seed)
    scale = scale_of(rows)
    data, everybody = (batch_of(some, recipe.inputs, scale) for some in (rows.take(keep), rows))
    training, dynamics = looked_at(kept, recipe, data, everybody, seed=seed)
    return FittedNetwork(name, rows, keep, judge or Judge(), scale, training, kept, dynamics)


def _fitting(recipe: Recipe, rows: Rows) -> Recipe:
    """The recipe with the objective that the labels ask for, where it names the usual one."""
    if rows.classes or not isinstance(recipe.objective, Classification):
        return recipe
    return replace(recipe, objective=Regression(recipe.objective.forward))


def _patient(kept: Kept, recipe: Recipe, rows: Rows, held_out: Rows | None, seed: int) -> Recipe:
    """The recipe with the number of epochs that rows outside the training ask for."""
    scale = scale_of(rows)
    if held_out is None:
        turn = assign_folds(rows, HELD_OUT) == 0
        if not turn.any() or turn.all():
            return recipe
        rows, held_out = rows.take(~turn), rows.take(turn)
    data, judges = (batch_of(some, recipe.inputs, scale) for some in (rows, held_out))
    return kept_epochs(kept, recipe, data, judges, seed=seed)
