"""Trials without trusted rows: parts of the rows take turns, judging the others, which are flagged by themselves alone.

Whoever flags with all rows in sight keeps the rows that agree with their judges. So the whole of flagging, training,
scoring and the rule, is done again without each part in turn: two halves, or fifths of few rows. The judges' own labels
may be wrong: those that the run's scores contradict do not count. They were scored with the tried rows in sight, which
lets easy rows judge, and so nothing that is shown here is called more than it is.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from culpa.influence.assess import score_rows
from culpa.influence.batches import judge_batch
from culpa.influence.folds import assign_folds
from culpa.influence.gate import Trial
from culpa.influence.rows import Rows
from culpa.tasks.batch.order import rows_beside
from culpa.tasks.batch.score import fresh_of, refused_of
from culpa.tasks.proving.decided import peoples
from culpa.tasks.ruling import rows_of, ruling
from culpa.tasks.score import write_scores
from culpa.tasks.store import connect
from culpa.tasks.train import Prepared, fit, proxy_options

if TYPE_CHECKING:
    from culpa.tasks.proving.gate import Proposal

__all__ = ["trials_in_turns"]

FEWEST_ROWS = 50  # a part of fewer than ten says nothing
FEW_ROWS = 1_000  # half of them would flag much worse than all
MOST_ROWS = 20_000  # of more, every k-th
CONTRADICTED = {"classification": 0.0, "regression": 3.0}  # suspicion from which a label is: log-odds, or deviations
Tell = Callable[[str, float], None]


def trials_in_turns(proposal: "Proposal", prepared: Prepared, tell: Tell) -> list[Trial]:
    """A trial for each part that judges; none where there are too few rows."""
    if len(prepared.rows) < FEWEST_ROWS:
        return []
    stored, suspicion = _stored(proposal, prepared)
    sample = _part(prepared, np.arange(0, len(prepared.rows), -(-len(prepared.rows) // MOST_ROWS)))
    doubted = np.array([suspicion[row] > CONTRADICTED[proposal.run.task] for row in sample.row_ids])
    parts = 5 if len(sample.rows) <= FEW_ROWS else 2
    turn = assign_folds(sample.rows, parts)
    trials = []
    for number in range(parts):
        tell(f"flag without part {number + 1} of {parts}", number / parts)
        judges = np.flatnonzero(turn == number)
        others = _part(sample, np.flatnonzero(turn != number))
        trials.append(
            _trial(proposal, others, _removals(others, proposal, stored), _part(sample, judges), doubted[judges])
        )
    return trials


def _stored(proposal: "Proposal", prepared: Prepared) -> tuple[pa.Table, dict[str, float]]:
    """The rows as the rule needs them, and how suspicious each is; of a batch those beside it as well."""
    with connect(proposal.settings.store, read_only=True) as connection:
        found = connection.execute(
            "SELECT row_id, coalesce(suspicion, 0) FROM scores WHERE run_id = ?", [proposal.run.run_id]
        ).fetchall()
        stored = rows_of(connection, proposal.run.run_id) if prepared.is_fresh is None else None
    if stored is not None:
        return stored, dict(found)
    both = rows_beside(prepared.folder, proposal.run.run_id)
    before = dict(zip(both["row_id"].to_pylist(), both["suspicion"].to_pylist(), strict=True))
    return both, before | dict(found)


def _part(prepared: Prepared, place: NDArray[np.int64]) -> Prepared:
    fresh = None if prepared.is_fresh is None else prepared.is_fresh[place]
    return replace(prepared, rows=prepared.rows.take(place), row_ids=prepared.row_ids[place], is_fresh=fresh)


def _removals(part: Prepared, proposal: "Proposal", stored: pa.Table) -> NDArray[np.int64]:
    """Positions of what the rule would drop of this part, the surest first: trained, scored and ruled on by itself.

    Of a batch, only rows that it brings: those beside them were accepted before.
    """
    settings = proposal.settings
    folder = part.folder / "part"
    folder.mkdir(exist_ok=True)
    trained = fit(part.rows, settings, replace(proxy_options(part, settings), kept=None), None)
    scored = score_rows(trained, part.rows, reference=None, folds=settings.folds)
    place = np.arange(len(part.rows))
    if part.is_fresh is not None:
        scored, _ = judge_batch(trained, scored, part.rows, part.is_fresh, refused_of(part))
        place = np.flatnonzero(part.is_fresh)
    ruled = fresh_of(part)
    write_scores(scored, ruled, folder)
    mine = stored.take(pc.index_in(pa.array(ruled.row_ids, pa.string()), value_set=stored["row_id"].combine_chunks()))
    alone = replace(proposal.run, row_count=len(mine), unlabelled_count=0, reference_fingerprint=None)
    with ruling(folder, alone, mine, settings, faithful=_was_faithful(proposal)) as found:
        droppable = np.isin(ruled.row_ids.astype(str), list(found.rows_that("droppable")))
    surest = np.argsort(-scored.scores["probability_wrong"], kind="stable")
    return place[surest[droppable[surest]]]


def _was_faithful(proposal: "Proposal") -> bool:
    """What the run's own rule went by."""
    return bool((proposal.run.report or {}).get("faithfulness", {}).get("faithful", True))


def _trial(
    proposal: "Proposal", part: Prepared, removals: NDArray[np.int64], judges: Prepared, doubted: NDArray[np.bool_]
) -> Trial:
    """The part's own removals, but for rows that people decided on, judged by rows that took no part."""
    found: dict[str, Any] = peoples(proposal.lines, proposal.run.classes, part.rows, part.row_ids)
    decided = {line["row_id"] for line in proposal.lines if line["decided"]}
    open_to_rule = ~np.isin(part.row_ids.astype(str), list(decided)) & ~found["absent"]
    if part.is_fresh is not None:
        open_to_rule &= part.is_fresh
    choosing = assign_folds(judges.rows, 2) == 0
    mended, stays, doubted = _mended(proposal, judges, decided, doubted)
    return Trial(
        rows=part.rows,
        order=removals[open_to_rule[removals]],
        **found,
        choosing=mended.take(choosing & ~doubted & stays),
        judging=mended.take(~choosing & stays),
        doubted=doubted[~choosing & stays],
    )


def _mended(
    proposal: "Proposal", judges: Prepared, decided: set[str], doubted: NDArray[np.bool_]
) -> tuple[Rows, NDArray[np.bool_], NDArray[np.bool_]]:
    """The judges under the labels that people gave them, who stays among them, and whom nobody confirmed. (rows,)."""
    found = peoples(proposal.lines, proposal.run.classes, judges.rows, judges.row_ids)
    confirmed = np.isin(judges.row_ids.astype(str), list(decided))
    return replace(judges.rows, labels=found["labels"]), ~found["decided"], doubted & ~confirmed
