"""Planted wrong labels: trained, scored and ruled on as the run's own rows were, and what follows for these."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from culpa.influence.assess import Progress, score_rows
from culpa.influence.calibration import (
    Estimate,
    Replanted,
    budgets,
    evidenced,
    plant_and_score,
    precision_at_budgets,
    precision_of_flagged,
    share,
    wrong_labels,
)
from culpa.influence.calibration.again import MOST_ROWS, Columns
from culpa.influence.held_out import LEAST_ROWS, TooFew
from culpa.influence.rows import Rows
from culpa.tasks.ruling import is_faithful, ruling
from culpa.tasks.runs import Run
from culpa.tasks.score import write_scores
from culpa.tasks.settings import Settings
from culpa.tasks.train import Prepared, fit, proxy_options

__all__ = ["Scores", "calibrate"]

PLANTED = "planted"  # the folder of their scores, within the work folder
KINDS = {"uniform": False, "confusion": True}

Lines = list[dict[str, Any]]


@dataclass(frozen=True)
class Scores:
    """What the run's own rows got, (rows,) each."""

    suspicion: NDArray[np.float64]
    probability_wrong: NDArray[np.float64]
    flagged: NDArray[np.bool_]  # harmful by the rule


def calibrate(
    folder: Path, prepared: Prepared, settings: Settings, run: Run, rows: pa.Table, actual: Scores, tell: Progress
) -> tuple[dict[str, Any], Lines]:
    """What the report says, and the lines of the table calibration. Errors: TooFew below 200 labelled rows."""
    if len(prepared.rows) < LEAST_ROWS:
        raise TooFew(f"{len(prepared.rows)} labelled rows came, needed {LEAST_ROWS} or more")
    place = np.arange(0, len(prepared.rows), -(-len(prepared.rows) // MOST_ROWS))
    sample = replace(prepared, rows=prepared.rows.take(place), row_ids=prepared.row_ids[place])
    repeats = plant_and_score(
        sample.rows,
        prepared.trained.view.expected[place],
        actual.probability_wrong[place],
        _scorer(folder, sample, settings, run, rows),
        seed=settings.seed,
        tell=tell,
    )
    return _conclusions(repeats, actual, len(place))


def _scorer(folder: Path, sample: Prepared, settings: Settings, run: Run, rows: pa.Table) -> Callable[[Rows], Columns]:
    """Train, score and rule as the run was; the column `harmful` comes beside the scores."""
    (folder / PLANTED).mkdir(exist_ok=True)
    options = replace(proxy_options(sample, settings), kept=None)
    mine = rows.take(pc.index_in(pa.array(sample.row_ids, pa.string()), value_set=rows["row_id"].combine_chunks()))
    whole = replace(run, row_count=len(mine), unlabelled_count=0)
    faithful = is_faithful(folder)

    def score(planted: Rows) -> Columns:
        trained = fit(planted, settings, options, None)
        scored = score_rows(trained, planted, reference=sample.reference, folds=settings.folds)
        write_scores(scored, sample, folder / PLANTED)
        given = mine.set_column(mine.column_names.index("given_label"), "given_label", _texts(planted, sample.classes))
        with ruling(folder / PLANTED, whole, given, settings, faithful=faithful) as found:
            harmful = np.isin(sample.row_ids.astype(str), list(found.rows_that("harmful")))
        return {**scored.scores, "harmful": harmful}

    return score


def _texts(rows: Rows, classes: tuple[str, ...]) -> pa.Array:
    """Labels as the store has them."""
    if not classes:
        return pa.array(rows.labels.astype(np.float64)).cast(pa.string())
    return pa.array(classes, pa.string()).take(pa.array(rows.labels))


def _conclusions(repeats: list[Replanted], actual: Scores, scored: int) -> tuple[dict[str, Any], Lines]:
    depths = np.concatenate([one.depths for one in repeats])
    found = np.concatenate([one.scores["harmful"][one.planting.place] for one in repeats])
    confused = np.concatenate([one.planting.confused for one in repeats])
    wrong = wrong_labels(depths, scored, actual.probability_wrong)
    flagged, suspected = int(actual.flagged.sum()), actual.suspicion[actual.flagged]
    said = {
        "planted": len(depths),
        "repeats": len(repeats),
        "sample": scored,
        "kinds": {kind: _recall(found[confused == which]) for kind, which in KINDS.items()},
        "flagged": flagged,
        "threshold": float(suspected.min()) if flagged else None,
        **_sides("precision", _precision(wrong, found, depths, actual) if flagged else None),
        **_sides("wrong", wrong),
    }
    return said, _lines(wrong, depths, actual, flagged)


def _recall(found: NDArray[np.bool_]) -> dict[str, Any]:
    return _sides("recall", share(float(found.sum()), len(found)))


def _precision(wrong: Estimate, found: NDArray[np.bool_], depths: NDArray[np.float64], actual: Scores) -> Estimate:
    """Of the flagged rows. Recall by the rule or, where the planted labels upset the rule's thresholds, by depth."""
    flagged, rows = int(actual.flagged.sum()), len(actual.flagged)
    by_rule, by_depth = (
        share(float(found.sum()), len(found)),
        share(float((depths <= flagged / rows).sum()), len(depths)),
    )
    recall = max(by_rule, by_depth, key=lambda one: one.value)
    expected = float(actual.probability_wrong[actual.flagged].sum())
    return precision_of_flagged(wrong, recall, expected, flagged, evidenced(actual.probability_wrong))


def _sides(name: str, found: Estimate | None) -> dict[str, Any]:
    return {
        name: found and found.value,
        f"{name}_low": found and found.low,
        f"{name}_high": found and found.high,
    }


def _lines(wrong: Estimate, depths: NDArray[np.float64], actual: Scores, flagged: int) -> Lines:
    """One line for each budget."""
    order = np.argsort(-actual.suspicion, kind="stable")
    most = budgets(len(order), flagged)
    precision = precision_at_budgets(wrong, depths, actual.probability_wrong[order], most)
    return [
        {
            "budget": budget,
            "precision_expected": one.value,
            "precision_low": one.low,
            "precision_high": one.high,
            "wrong_expected": one.value * budget,
            "suspicion": float(actual.suspicion[order[budget - 1]]),
        }
        for budget, one in zip(most, precision, strict=True)
    ]
