"""Score a batch: the rows that it brings, and no others.

By the model of all accepted rows where one is kept (`base`), which is as exact as a run over all of them; else by the
proxies that were trained on the batch and the accepted rows that stand beside it.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from culpa.influence.assess import Progress, Scored, score_rows, train_proxies
from culpa.influence.batches import begin, compare, cut, join, judge_batch
from culpa.influence.rows import Rows
from culpa.tasks.batch import base
from culpa.tasks.batch.drift import note_drifts
from culpa.tasks.batch.sides import REFUSED
from culpa.tasks.prepare import read_rows

if TYPE_CHECKING:
    from culpa.tasks.settings import Settings
    from culpa.tasks.train import Prepared

__all__ = ["fresh_of", "refused_of", "score_batch"]


def score_batch(run_id: str, onto: str, prepared: "Prepared", settings: "Settings", tell: Progress) -> Scored:
    """The scores of the fresh rows, in their order."""
    return _by_model(run_id, onto, prepared, settings, tell) or _beside(prepared, settings, tell)


def fresh_of(prepared: "Prepared") -> "Prepared":
    """The prepared rows without those that stand beside them."""
    if prepared.is_fresh is None:
        return prepared
    return replace(prepared, rows=prepared.rows.take(prepared.is_fresh), row_ids=prepared.row_ids[prepared.is_fresh])


def refused_of(prepared: "Prepared") -> Rows:
    """Rows that were refused, in the proportion in which accepted ones stand beside the batch."""
    return read_rows(base.part(prepared.folder, REFUSED), prepared.classes)[0]


def _beside(prepared: "Prepared", settings: "Settings", tell: Progress) -> Scored:
    fresh, trained = prepared.is_fresh, prepared.trained
    assert fresh is not None
    if base.joins(prepared.folder):  # trained as a witness only, without rounds
        trained = train_proxies(prepared.rows, proxy=settings.proxy, seed=settings.seed, rounds=settings.rounds)
    found = score_rows(
        trained,
        prepared.rows,
        reference=prepared.reference,
        others=prepared.others,
        folds=settings.folds,
        progress=tell,
    )
    told = {"scored_beside": int((~fresh).sum()), "scored_by": "the proxies of the batch and the rows beside it"}
    judged, compared = judge_batch(trained, found, prepared.rows, fresh, refused_of(prepared))
    note_drifts(prepared, compared)
    return replace(judged, report=judged.report | told)


def _by_model(run_id: str, onto: str, prepared: "Prepared", settings: "Settings", tell: Progress) -> Scored | None:
    """The model of all accepted rows joined by the batch, and kept for the next; None where there is none."""
    if not base.joins(prepared.folder):
        return None
    joining, leaving = (read_rows(base.part(prepared.folder, name), prepared.classes)[0] for name in base.QUERIES)
    model = base.load(prepared.folder)
    if model is None:
        try:
            model, joining = begin(joining, refused_of(prepared)), joining.take(np.zeros(0, np.intp))
        except ValueError:  # too large a model, or too few rows: they are judged beside a part of them
            return None
    batch = fresh_of(prepared).rows
    note_drifts(prepared, compare(model, batch))
    try:
        model, found = join(model, _both(batch, joining), leaving, seed=settings.seed, progress=tell)
    except ValueError:  # what leaves has taken the model's footing: they are judged beside a part of the rows
        return None
    base.keep(settings.store, run_id, onto, settings.seed, prepared.folder, model)
    mine = np.arange(len(batch) + len(joining)) < len(batch)
    told = {"scored_by": "the linear model of all accepted rows and the batch", "rows_in_model": model.model.whole.rows}
    return replace(cut(found, mine), report=found.report | told)


def _both(batch: Rows, joining: Rows) -> Rows:
    """The batch's rows, then others that join."""
    if not len(joining):
        return batch
    return replace(
        batch,
        features=np.concatenate([batch.features, joining.features]),
        labels=np.concatenate([batch.labels, joining.labels]),
        groups=np.concatenate([batch.groups, batch.groups.max() + 1 + joining.groups]),
        tokens=None,
    )
