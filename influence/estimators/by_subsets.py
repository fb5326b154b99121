"""Any estimator's rows, judged by many of it, each trained on a random share of the rows: memorization and influence.

    influence(i, v) = mean loss at v of the models without row i - mean loss of those with it,   positive helps

and self-influence the same at the row itself, held at nought; loss is -log P(own label), nats, or half the squared
error. Source: Feldman & Zhang 2020, with losses beside probabilities. It is the truth about training on such a share,
with the noise of the models drawn: the standard error holds both that and the spread over the reference rows. With M
models it is about 2.2 s / sqrt(M), s how far a reference row's loss moves from model to model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.estimators.model import Model
from culpa.influence.estimators.panels import Panel, Panels
from culpa.influence.estimators.side_by_side import side_by_side
from culpa.influence.proxy import ProxyScores, ReferenceInfluence, score_blocks
from culpa.influence.rows import Rows
from culpa.influence.subsets import effects, own_effects
from culpa.influence.threads import slices

__all__ = ["BySubsets"]

Array = NDArray[np.float64]
BLOCK_ENTRIES = 8_000_000


@dataclass(frozen=True)
class BySubsets:
    """Panels of trained models over the rows they were given."""

    rows: Rows  # all rows, kept or not
    panels: Panels
    name = "subset models"

    def scores(self) -> ProxyScores:
        """Score every row by the models that saw it and those that did not."""
        outputs = max(self.rows.classes, 1)
        blocks = slices(len(self.rows), max(1, BLOCK_ENTRIES // (len(self._first.models) * outputs)))
        return score_blocks(len(self.rows), outputs, blocks, self._score, threads=False)

    def influence_on(self, reference: Rows) -> ReferenceInfluence:
        """Influence of every row on the reference rows, nats (regression: squared target units / 2), positive helps."""
        if not len(reference):
            raise ValueError(
                "no reference rows came, at least one is needed: pass the trusted rows, or a fold of the rows"
            )
        found, error = np.empty((len(self.rows), 2 + max(self.rows.classes, 1))), np.empty(len(self.rows))
        for panel in self.panels.every:
            statistics, spread = _statistics(_losses(panel.models, reference), reference)
            for block in slices(len(panel.judged), BLOCK_ENTRIES // (statistics.shape[1] + spread.shape[1])):
                judged, saw = panel.judged[block], panel.saw[:, block]
                told, over_rows = effects(saw, statistics), effects(saw, spread).values
                found[judged] = told.values
                error[judged] = np.sqrt(told.standard_errors[:, 0] ** 2 + (over_rows**2).sum(axis=1))
        if len(reference) == 1:
            error[:] = np.nan  # how far reference rows differ is not known
        mean, on_probability, *by_class = np.ascontiguousarray(found.T)
        return ReferenceInfluence(mean, error, np.stack(by_class, axis=1), on_probability, removal=mean)

    def influence_between(self, index: NDArray[Any], reference: Rows) -> Array:
        """influence(i, v) of a few rows on each reference row: (rows in index, reference rows), positive helps."""
        found = np.empty((len(index), len(reference)))
        for panel in self.panels.every:
            column = np.full(len(self.rows), -1)
            column[panel.judged] = np.arange(len(panel.judged))
            mine = column[index] >= 0
            if mine.any():
                found[mine] = effects(panel.saw[:, column[index][mine]], -_losses(panel.models, reference)).values
        return found

    def report(self) -> dict[str, object]:
        """What a run records of this proxy."""
        every = [model for panel in self.panels.every for model in panel.models]
        return {
            "models": len(self._first.models),
            "models_trained": len(every),
            "models_not_worth_training": sum(model.estimator is None for model in every),
            "rows_per_model": int(np.mean([model.rows for model in self._first.models])),
            "models_without_a_row": int((~self.panels.saw_group).sum(axis=0).min()),
        }

    @property
    def _first(self) -> Panel:
        return self.panels.every[0]

    def _score(self, block: slice) -> ProxyScores:
        """Outcomes without the group by the first panel; own outcomes by whichever panel judges a row."""
        part, missed = self.rows.take(np.arange(block.start, block.stop)), ~self.panels.saw_group[:, block]
        outcomes = _outcomes(self._first.models, part)
        without = np.einsum("mnk,mn->nk", outcomes, missed) / missed.sum(axis=0)[:, None]
        own = np.empty((3, len(part)))
        for panel in self.panels.every:
            some = slice(*np.searchsorted(panel.judged, [block.start, block.stop]))
            judged = panel.judged[some] - block.start
            if len(judged):
                told = outcomes[:, judged] if panel is self._first else _outcomes(panel.models, part.take(judged))
                own[:, judged] = _with_and_without(told, panel.saw[:, some], part.take(judged))
        return ProxyScores(without, own[0], own[1], own[2].clip(0))


def _with_and_without(outcomes: Array, saw: NDArray[np.bool_], rows: Rows) -> Array:
    """The own outcome of each row with it, without it, and by how much it lowers its own loss: (3, rows)."""
    own = _own(outcomes, rows)
    seen, missed = (np.einsum("mn,mn->n", own, mask) / mask.sum(axis=0) for mask in (saw, ~saw))
    return np.stack([seen, missed, own_effects(saw, -_loss(own, rows)).values])


def _statistics(losses: Array, reference: Rows) -> tuple[Array, Array]:
    """What each model makes of the reference rows, better models more of it; and how that goes up and down over them.

    `losses` (models, reference rows) to (models, 2 + classes): the mean, mean P(own label), the mean of each class; and
    to (models, at most models): their effects' squares, summed, are the squared standard error over reference rows.
    """
    count, classes = len(reference), reference.labels if reference.classes else np.zeros(len(reference), np.intp)
    members = np.eye(max(reference.classes, 1))[classes]
    by_class = losses @ (members / np.where(members.any(axis=0), members.sum(axis=0), np.nan))
    probability = np.exp(-losses).mean(axis=1) if reference.classes else np.full(len(losses), np.nan)
    around = (losses - losses.mean(axis=1, keepdims=True)) / np.sqrt(count * max(count - 1, 1))
    axes, lengths, _ = np.linalg.svd(around, full_matrices=False)
    return np.column_stack([-losses.mean(axis=1), probability, -by_class]), axes * lengths


def _outcomes(models: Sequence[Model], rows: Rows) -> Array:
    """Probabilities of each class by each model, or predictions, (models, rows, classes or 1)."""
    like = next((model.estimator for model in models if model.estimator is not None), None)
    return np.stack(side_by_side(lambda model: model.outcomes(rows.features), models, like=like))


def _losses(models: Sequence[Model], rows: Rows) -> Array:
    """Loss of each row by each model, (models, rows)."""
    step = max(1, BLOCK_ENTRIES // (len(models) * max(rows.classes, 1)))
    parts = [rows.take(np.arange(block.start, block.stop)) for block in slices(len(rows), step)]
    return np.concatenate([_loss(_own(_outcomes(models, part), part), part) for part in parts], axis=1)


def _own(outcomes: Array, rows: Rows) -> Array:
    """P(own label), or the prediction: (models, rows)."""
    return outcomes[:, np.arange(len(rows)), rows.labels if rows.classes else 0]


def _loss(own: Array, rows: Rows) -> Array:
    return -np.log(own) if rows.classes else (own - rows.labels) ** 2 / 2
