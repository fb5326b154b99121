"""People's decisions: keep, drop, relabel or defer a row. They are only ever added, never changed, and beat every tag.

Either all decisions of one call are written or none. The same can be done in plain SQL:
`insert into decisions (row_id, decision, reviewed_by) values ('r17', 'keep', 'ann')`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from culpa.tasks.errors import CulpaError
from culpa.tasks.reviews.decision_checks import check_labels, check_rows, check_words
from culpa.tasks.reviews.decision_files import proposals_of, read_decisions
from culpa.tasks.sql import statement
from culpa.tasks.store import transaction
from culpa.tasks.views import use_current_views


@dataclass(frozen=True)
class Decided:
    """How many decisions were added to the store, by kind."""

    rows: int
    by_decision: dict[str, int]
    last_id: int  # the number of the last of them


@dataclass(frozen=True)
class Seen:
    """What a person had before them when they decided on a row."""

    decision_id: int  # the last decision on the row; 0: none
    row_hash: str


class Overtaken(CulpaError):
    """The row was decided on, or its content changed, after the person had looked."""


def decide(
    store: Path,
    row_ids: Sequence[str],
    decision: str,
    new_label: str | None = None,
    *,
    by: str,
    note: str | None = None,
    dataset: str | None = None,
    seen: Seen | None = None,
    wait_seconds: float = 30.0,
) -> Decided:
    """Add one decision, the same for every row of `row_ids`, about their content in the latest flagged run.

    Errors: BadInput for unknown rows (with the nearest ids), an unknown decision, a missing or impossible new label,
    reference rows, and ids that lie in several data sets; Overtaken if `seen` is no longer so. Nothing is written then.
    """
    rows = [str(row) for row in row_ids]
    same = {"decision": decision, "new_label": new_label, "reviewed_by": by, "note": note}
    proposals = proposals_of({"row_id": rows, **{name: [value] * len(rows) for name, value in same.items()}})
    return _append(store, proposals, dataset, "row", seen=seen, wait_seconds=wait_seconds)


def decide_from_csv(store: Path, path: Path, *, by: str | None = None, dataset: str | None = None) -> Decided:
    """Add the decisions of a file: columns row_id, decision and, where needed, new_label, reviewed_by, note.

    CSV, or Parquet or Excel by the file's ending. `by` stands where reviewed_by is missing or empty. Errors: as
    `decide`, with the line of the file.
    """
    return _append(store, read_decisions(Path(path), by), dataset, "line")


def _append(
    store: Path,
    proposals: pa.Table,
    dataset: str | None,
    what: str,
    *,
    seen: Seen | None = None,
    wait_seconds: float = 30.0,
) -> Decided:
    check_words(proposals, what)
    with transaction(Path(store), wait_seconds=wait_seconds) as connection:
        use_current_views(connection, up_to="current_decisions")
        connection.register("proposals", proposals)
        connection.execute(statement("reviews/decide"), {"dataset": dataset})
        check_rows(connection, dataset)
        check_labels(connection, what)
        if seen is not None:
            _check_seen(connection, seen)
        added = connection.execute(
            """INSERT INTO decisions (row_id, row_hash, dataset, decision, new_label, reviewed_by, note)
               SELECT row_id, row_hash, dataset, decision, new_label, trim(reviewed_by), note
               FROM proposed ORDER BY line RETURNING decision_id"""
        ).fetchall()
        counts = connection.execute(
            "SELECT decision, count(*) FROM proposed GROUP BY decision ORDER BY decision"
        ).fetchall()
        connection.execute("DROP TABLE proposed")
    return Decided(len(proposals), dict(counts), max(number for (number,) in added))


def _check_seen(connection: duckdb.DuckDBPyConnection, seen: Seen) -> None:
    newer = connection.execute(statement("reviews/newer_decisions"), {"decision_id": seen.decision_id}).fetchall()
    if newer:
        raise Overtaken(f"{newer[0][1]} decided on row {newer[0][0]!r} after you had opened it; nothing was written")
    changed = connection.execute("SELECT row_id FROM proposed WHERE row_hash <> ?", [seen.row_hash]).fetchall()
    if changed:
        raise Overtaken(f"the content of row {changed[0][0]!r} is another since you opened it; nothing was written")
