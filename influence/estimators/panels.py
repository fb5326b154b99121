"""Who is trained on what: panels of models, each on its own random share of the rows.

Three panels, because a row stands to others in three ways. The first leaves out whole duplicate groups, 30 % of them
for each model, and judges rows that have no duplicate; from it comes every row's outcome without its group. The second
leaves out single rows of groups and nothing else, so that a row's duplicates are there without it. In the third all
kept rows are joined by 30 % of those that are not kept: what would such a row do? So no model that judges a kept row
ever saw one that is not. The draw does not look at labels: else a row's own label would decide who never saw it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from culpa.influence.estimators.learning import Learning
from culpa.influence.estimators.model import Blank, Make, Model
from culpa.influence.rows import Rows
from culpa.influence.subsets import SHARE, Masks

__all__ = ["Panel", "Panels", "draw_panels", "usual_models"]

VISITS = 1 - SHARE  # of the rows that are not kept, in each model of the third panel
MOST_MODELS, FEWEST_MODELS = 100, 20
MODEL_ROWS = 1_000_000  # models times rows between those two
LEAST_MODELS = 10  # each row is then out of three, and a row that is not kept in three

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Panel:
    """Models, and which of them were trained with the rows they judge."""

    judged: NDArray[np.intp]  # positions of these rows
    saw: Masks  # (models, judged)
    models: tuple[Model, ...]


@dataclass(frozen=True)
class Panels:
    """All panels, and which models of the first saw any kept row of a row's group."""

    every: tuple[Panel, ...]
    saw_group: Masks  # (models of the first, rows)


def usual_models(rows: int) -> int:
    """100 models up to 10,000 rows, then a million / rows, never fewer than 20."""
    return int(np.clip(MODEL_ROWS // max(rows, 1), FEWEST_MODELS, MOST_MODELS))


def draw_panels(make: Make, rows: Rows, keep: Bools, *, models: int | None, seed: int) -> Panels:
    """Draw and train the panels these rows need; the second has half as many models.

    `models` left out: the usual number, and no more than are kept in a gigabyte, ten at least.
    """
    kept = int(keep.sum())
    learn = Learning(make, rows, Blank(rows.classes, kept, float(rows.labels[keep].mean())), seed)
    number = max(models or learn.affordable(usual_models(kept), keep), LEAST_MODELS)
    saw_group, several = _with_groups(rows, keep, number, seed), _several(rows, keep)
    single = np.flatnonzero(keep & ~several)
    panels = [Panel(single, saw_group[:, single], learn.from_masks(saw_group & keep, part=0))]
    for part, judged, share, count in (
        (1, several, SHARE, max(number // 2, LEAST_MODELS)),  # enough where nothing else varies
        (2, ~keep, VISITS, number),
    ):
        if judged.any():
            masks = np.repeat(keep[None], count, axis=0)
            masks[:, judged] = _deal(int(judged.sum()), count, share, [seed, part])
            panels.append(Panel(np.flatnonzero(judged), masks[:, judged], learn.from_masks(masks, part=part)))
    return Panels(tuple(panels), saw_group)


def _with_groups(rows: Rows, keep: Bools, models: int, seed: int) -> Masks:
    """Which models of the first panel see the kept rows of each row's group, (models, rows)."""
    groups = np.unique(rows.groups[keep])
    column = np.searchsorted(groups, rows.groups).clip(max=len(groups) - 1)
    return _deal(len(groups), models, SHARE, [seed, 0])[:, column] & (groups[column] == rows.groups)


def _several(rows: Rows, keep: Bools) -> Bools:
    """Which rows are kept and have a duplicate that is kept as well, (rows,)."""
    _, place, count = np.unique(rows.groups[keep], return_inverse=True, return_counts=True)
    several = np.zeros(len(rows), np.bool_)
    several[keep] = count[place] > 1
    return several


def _deal(units: int, models: int, share: float, seed: list[int]) -> Masks:
    """Which of so many units are in each model, (models, units): each in the same number of them, drawn for itself.

    Drawn for itself, so that whether one unit is out says nothing of the others. Dealt out of a shuffled order, each is
    out once in every round of it, and the rows that are out with a unit are then seldom out without it: the error of
    its effect is a fifth larger, and the spread over the models does not show it.
    """
    left_out = models - round(share * models)
    masks = np.repeat((np.arange(models) >= left_out)[:, None], units, axis=1)
    return np.random.default_rng(seed).permuted(masks, axis=0)
