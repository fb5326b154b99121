"""The guards: what a publish refuses to do, with the numbers and the cure. Nothing has been written when they speak."""

from dataclasses import dataclass
from typing import Any

import duckdb

from culpa.tasks.errors import BadInput, Refused
from culpa.tasks.runs import Run
from culpa.tasks.sql import filled, statement

INTEGERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
)


FEW = 10  # rows of a batch that may go whatever their share: of three rows one is a third


@dataclass(frozen=True)
class Guards:
    """How much of the labelled rows may go."""

    max_drop: float  # share of all labelled rows, in [0, 1]
    max_drop_per_class: float  # share of the labelled rows of any one class, in [0, 1]
    require_review: bool = False  # every row that must be seen has been


def check_guards(connection: duckdb.DuckDBPyConnection, run: Run, guards: Guards) -> None:
    """Refuse a plan (the temporary table `plan`) that touches reference rows, drops too much, or was not reviewed.

    Errors: Refused, with every guard that speaks.
    """
    few = 0 if run.onto is None else FEW
    per_class = _dropped_too_much_of_a_class if run.task == "classification" else lambda *_: ()
    complaints = [
        *_touched_reference(connection),
        *_dropped_too_much(connection, guards.max_drop, few),
        *per_class(connection, guards.max_drop_per_class, few),
        *(_not_seen(connection, run) if guards.require_review else ()),
    ]
    if complaints:
        raise Refused(f"run {run.run_id} is not published, nothing was written: " + "; ".join(complaints))


def check_new_labels(connection: duckdb.DuckDBPyConnection, run: Run, kind: str) -> None:
    """Refuse relabels to what is no class, or no value of the label column's type (DuckDB's `kind`).

    Errors: BadInput naming the first few decisions.
    """
    known = {"classes": list(run.classes), "task": run.task, "whole": kind in INTEGERS and not run.classes}
    bad = connection.execute(filled("publishing/impossible_labels", kind=kind), known).fetchall()
    if bad:
        named = ", ".join(f"decision {number} makes row {row} {label!r}" for number, row, label in bad)
        needed = f"one of {', '.join(run.classes[:20])}" if run.classes else f"a number that fits {kind}"
        raise BadInput(f"{named}: the new label must be {needed}; decide these rows again, nothing was written")


def _touched_reference(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = _values(
        connection,
        "SELECT row_id FROM plan WHERE is_reference AND outcome IN ('dropped', 'relabelled') ORDER BY position",
    )
    if not rows:
        return []
    return [
        f"{len(rows)} reference rows would be changed ({', '.join(rows[:5])}): trusted rows are never touched; "
        "decide `keep` for them, or take them out of the reference file and flag again"
    ]


def _dropped_too_much(connection: duckdb.DuckDBPyConnection, most: float, few: int) -> list[str]:
    dropped, labelled = connection.execute(
        "SELECT count(*) FILTER (outcome = 'dropped'), count(*) FROM plan WHERE given_label IS NOT NULL"
    ).fetchall()[0]
    if not _exceeds(dropped, labelled, most, few):
        return []
    return [
        f"{dropped} of {labelled} labelled rows ({dropped / labelled:.1%}) would be dropped, max_drop allows "
        f"{most:.1%}: look at `select * from review_queue`; if they are right, publish again with --max-drop "
        f"{_enough(dropped, labelled)}, else keep rows by decisions or lower --false-discovery-rate"
    ]


def _dropped_too_much_of_a_class(connection: duckdb.DuckDBPyConnection, most: float, few: int) -> list[str]:
    per_class = connection.execute(
        """SELECT given_label, count(*) FILTER (outcome = 'dropped') AS dropped, count(*) AS labelled
           FROM plan WHERE given_label IS NOT NULL GROUP BY given_label ORDER BY dropped / labelled DESC, given_label"""
    ).fetchall()
    over = [
        (label, dropped, labelled) for label, dropped, labelled in per_class if _exceeds(dropped, labelled, most, few)
    ]
    if not over:
        return []
    named = ", ".join(f"{label!r} {dropped} of {labelled}" for label, dropped, labelled in over[:5])
    enough = max(_enough(dropped, labelled) for _, dropped, labelled in over)
    return [
        f"{len(over)} classes would lose more than max_drop_per_class {most:.1%} ({named}): look at "
        f"`select * from issue_summary`; if they are right, publish again with --max-drop-per-class {enough}, "
        "else keep rows by decisions"
    ]


def _not_seen(connection: duckdb.DuckDBPyConnection, run: Run) -> list[str]:
    rows = [row for (row,) in connection.execute(statement("publishing/unseen"), {"run_id": run.run_id}).fetchall()]
    if not rows:
        return []
    return [
        f"{len(rows)} rows have to be seen by a person first ({', '.join(rows[:5])}): look at `select * from "
        f"review_queue where must_see and run_id = '{run.run_id}'` and decide, by `culpa review`, `culpa decide` or a "
        "file from `culpa review export`; or publish without --require-review"
    ]


def _exceeds(dropped: int, labelled: int, most: float, few: int) -> bool:
    return dropped > most * labelled + 1e-9 and dropped > few


def _enough(dropped: int, labelled: int) -> float:
    """The share, rounded up to two digits, that would let this pass.

    >>> _enough(1, 3)
    0.34
    """
    return -(-100 * dropped // labelled) / 100


def _values(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    return [row[0] for row in connection.execute(sql).fetchall()]
