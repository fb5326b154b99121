"""Trials without trusted rows: each half of the rows is flagged by itself alone, and judged by the other half.

Whoever flags with all rows in sight keeps the rows that agree with their judges. So the whole of flagging, training,
scoring and the rule, is done again in each half, and the judges come from the other one. Their own labels may be wrong:
those that a view from their own half contradicts do not count, and that view knows nothing of what it judges.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from culpa.influence.assess import score_rows
from culpa.influence.folds import assign_folds
from culpa.influence.gate import Trial, choosing_and_judging
from culpa.influence.rows import Rows
from culpa.influence.scoring import voters
from culpa.tasks.decided import peoples
from culpa.tasks.ruling import is_faithful, rows_of, ruling
from culpa.tasks.runs import Run
from culpa.tasks.score import write_scores
from culpa.tasks.store import connect
from culpa.tasks.train import Prepared, fit, proxy_options

if TYPE_CHECKING:
    from culpa.tasks.gate import Proposal

__all__ = ["halved_trials"]

FEWEST_ROWS = 100  # a half of fewer than fifty says nothing of the whole
MOST_ROWS = 20_000  # of more, every k-th
Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class _Half:
    """One half of the rows, as it sees itself."""

    prepared: Prepared
    order: NDArray[np.int64]  # what the rule would drop, the surest first
    doubted: NDArray[np.bool_]  # (rows,) contradicted by the others of this half


def halved_trials(proposal: "Proposal", prepared: Prepared, tell: Tell) -> list[Trial]:
    """Both trials; none where there are too few rows."""
    if len(prepared.rows) < FEWEST_ROWS:
        return []
    with connect(proposal.settings.store, read_only=True) as connection:
        stored = rows_of(connection, proposal.run.run_id)
    sample = _part(prepared, np.arange(0, len(prepared.rows), -(-len(prepared.rows) // MOST_ROWS)))
    turn = assign_folds(sample.rows, 2)
    halves = []
    for number in range(2):
        tell(f"flag half {number + 1} of the rows by itself", number / 2)
        halves.append(_flag(_part(sample, np.flatnonzero(turn == number)), proposal, stored))
    return [_trial(proposal, *pair) for pair in (halves, halves[::-1])]


def _part(prepared: Prepared, place: NDArray[np.int64]) -> Prepared:
    return replace(prepared, rows=prepared.rows.take(place), row_ids=prepared.row_ids[place])


def _flag(half: Prepared, proposal: "Proposal", stored: pa.Table) -> _Half:
    """Train, score and rule, as the run was."""
    run, settings = proposal.run, proposal.settings
    folder = half.folder / "half"
    folder.mkdir(exist_ok=True)
    trained = fit(half.rows, settings, replace(proxy_options(half, settings), kept=None), None)
    scored = score_rows(trained, half.rows, reference=None, folds=settings.folds)
    write_scores(scored, half, folder)
    droppable = _droppable(folder, half, run, stored, proposal, faithful=is_faithful(half.folder))
    surest = np.argsort(-scored.scores["probability_wrong"], kind="stable")
    return _Half(half, surest[droppable[surest]], ~voters(trained, half.rows))


def _droppable(
    folder: Path, half: Prepared, run: Run, stored: pa.Table, proposal: "Proposal", *, faithful: bool
) -> NDArray[np.bool_]:
    mine = stored.take(pc.index_in(pa.array(half.row_ids, pa.string()), value_set=stored["row_id"].combine_chunks()))
    alone = replace(run, row_count=len(mine), unlabelled_count=0, reference_fingerprint=None)
    with ruling(folder, alone, mine, proposal.settings, faithful=faithful) as found:
        return np.isin(half.row_ids.astype(str), list(found.rows_that("droppable")))


def _trial(proposal: "Proposal", half: _Half, other: _Half) -> Trial:
    """The half's own removals, but for rows that people decided on, judged by the other half."""
    rows, row_ids = half.prepared.rows, half.prepared.row_ids
    found: dict[str, Any] = peoples(proposal.lines, proposal.run.classes, rows, row_ids)
    decided = {line["row_id"] for line in proposal.lines if line["decided"]}
    open_to_rule = ~np.isin(row_ids.astype(str), list(decided)) & ~found["absent"]
    choosing, judging = choosing_and_judging(other.prepared.rows)
    judges: Rows = other.prepared.rows
    return Trial(
        rows=rows,
        order=half.order[open_to_rule[half.order]],
        **found,
        choosing=judges.take(choosing & ~other.doubted),
        judging=judges.take(judging),
        doubted=other.doubted[judging],
    )
