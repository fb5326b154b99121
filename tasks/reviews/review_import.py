"""Takes decisions in from a file that `culpa review export` wrote and people filled in: all of it or nothing.

A line without a decision is left out. The same file may come twice: what was written before is not written again. A
decision that somebody made on the row after the export stands, and the file's is left out. A decision on a content
that has changed since is kept as what it is, one on the content that the person saw: it is stale, and the row waits
in the review queue.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from culpa.tasks.reviews.decision_checks import check_labels, check_rows, check_words, refuse
from culpa.tasks.reviews.decision_files import read_decisions
from culpa.tasks.sql import statement
from culpa.tasks.store import transaction
from culpa.tasks.views import use_current_views

__all__ = ["Imported", "import_review"]


@dataclass(frozen=True)
class Imported:
    """What became of a file's decisions."""

    written: int
    repeated: int  # were there already
    by_decision: dict[str, int]  # of those written
    skipped: tuple[str, ...] = field(default=())  # left out, with the reason: a newer decision, a row that is gone
    stale: tuple[str, ...] = field(default=())  # written, but on a content that is no more


def import_review(store: Path, path: Path, *, by: str | None = None, dataset: str | None = None) -> Imported:
    """Add the decisions of an exported file; `by` stands where reviewed_by is empty.

    Errors: BadInput, with the lines, for whatever cannot be a decision; nothing is written then.
    """
    proposals = read_decisions(Path(path), by, exported=True)
    if not len(proposals):
        return Imported(0, 0, {})
    check_words(proposals, "line")
    _check_lines(proposals)
    proposals = _in_utc(proposals)
    with transaction(Path(store)) as connection:
        use_current_views(connection, up_to="current_decisions")
        connection.register("proposals", proposals)
        connection.execute(statement("reviews/decide"), {"dataset": dataset})
        connection.execute(statement("reviews/review_import"))
        settled = connection.execute("SELECT line, row_id, fate, newer_by, newer_at FROM settled").fetchall()
        _check_known(settled)
        connection.execute(
            "DELETE FROM proposed WHERE line IN (SELECT line FROM settled WHERE fate NOT IN ('new', 'stale'))"
        )
        check_rows(connection, dataset)
        check_labels(connection, "line")
        return _write(connection, settled)


def _write(connection: duckdb.DuckDBPyConnection, settled: list[tuple[Any, ...]]) -> Imported:
    written = connection.execute(
        """INSERT INTO decisions (row_id, row_hash, dataset, decision, new_label, reviewed_by, note)
           SELECT row_id, seen_hash, dataset, decision, new_label, trim(reviewed_by), note
           FROM proposed ORDER BY line RETURNING decision"""
    ).fetchall()
    connection.execute("DROP TABLE proposed; DROP TABLE settled")
    fates = Counter(fate for _, _, fate, *_ in settled)
    return Imported(
        written=len(written),
        repeated=fates["repeated"],
        by_decision=dict(sorted(Counter(decision for (decision,) in written).items())),
        skipped=tuple(_skipped(*one) for one in settled if one[2] in ("overtaken", "gone")),
        stale=tuple(
            f"line {line}: the content of row {row!r} has changed since the export; the decision is kept as stale, and "
            "the row waits in review_queue"
            for line, row, fate, *_ in settled
            if fate == "stale"
        ),
    )


def _skipped(line: int, row: str, fate: str, by: str | None, at: datetime | None) -> str:
    if fate == "gone":
        return f"line {line}: row {row!r} has left the data set since the export"
    return f"line {line}: {by} decided on row {row!r} at {at:%Y-%m-%d %H:%M:%S} UTC, after the export; that stands"


def _check_lines(proposals: pa.Table) -> None:
    """Refuse lines that lost what the export said of their row, and two lines on one row."""
    complaints: list[str] = []
    first: dict[tuple[Any, Any], int] = {}
    for one in proposals.to_pylist():
        place = f"line {one['line']}"
        lost = [name for name in ("row_id", "dataset", "row_hash") if one[name] is None]
        if lost:
            complaints.append(f"{place}: {', '.join(lost)} is empty; export again and copy the decisions over")
        elif _moment(one["exported_at"]) is None:
            complaints.append(
                f"{place}: exported_at is {one['exported_at']!r}, no time as `culpa review export` writes it"
            )
        elif (other := first.setdefault((one["dataset"], one["row_id"]), one["line"])) != one["line"]:
            complaints.append(f"{place}: row {one['row_id']!r} is decided on in line {other} already")
    refuse(complaints)


def _in_utc(proposals: pa.Table) -> pa.Table:
    """The same, with exported_at as the store keeps times: UTC without an offset, which DuckDB's cast would ignore."""
    place = proposals.schema.get_field_index("exported_at")
    moments = [str(_moment(text)) for text in proposals["exported_at"].to_pylist()]
    return proposals.set_column(place, proposals.schema.field(place), pa.array(moments, pa.string()))


def _moment(text: str | None) -> datetime | None:
    """The time that a text tells, in UTC, as which one without an offset counts; None if it tells none."""
    try:
        told = datetime.fromisoformat(text or "")
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _check_known(settled: list[tuple[Any, ...]]) -> None:
    refuse(
        [
            f"line {line}: no run has held a row {row!r} of this content and data set; is this the store that the file "
            "was written from?"
            for line, row, fate, *_ in settled
            if fate == "unknown"
        ]
    )
