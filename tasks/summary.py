"""What a run came to, in a few numbers and its most suspicious rows: for the report at the end of a flow."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from culpa.tasks.runs import find_run, records
from culpa.tasks.sql import statement
from culpa.tasks.store import connect
from culpa.tasks.views import use_current_views

SHOWN = (
    "row_id", "given_label", "suggested_label", "probability_wrong", "suspicion", "memorization", "influence", "tag",
    "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """A run in numbers."""

    run_id: str
    dataset: str
    rows: int
    unlabelled: int
    tags: dict[str, int]  # rows per tag, the most frequent tag first
    warnings: tuple[str, ...]


def summarize(store: Path, run_id: str) -> Summary:
    """The numbers of one run, which can be named by the beginning of its id."""
    with connect(store, read_only=True) as connection:
        run = find_run(connection, run_id)
        tags = connection.execute(statement("tag_counts"), {"run_id": run.run_id}).fetchall()
        warnings = connection.execute("SELECT warnings FROM runs WHERE run_id = ?", [run.run_id]).fetchall()[0][0]
    return Summary(
        run.run_id, run.dataset, run.row_count, run.unlabelled_count, dict(tags), tuple(json.loads(warnings))
    )


def most_suspicious(store: Path, run_id: str, most: int = 20) -> list[dict[str, Any]]:
    """The tagged rows of a run, the most suspicious first, with the columns SHOWN."""
    with connect(store, read_only=True) as connection:
        found = connection.execute(statement("most_suspicious"), {"run_id": run_id, "most": most}).fetchall()
    return [dict(zip(SHOWN, row, strict=True)) for row in found]


def count_waiting(store: Path, dataset: str) -> tuple[int, int]:
    """How many of a data set's rows wait for a person, and how many of these a person must see."""
    with connect(store, read_only=True) as connection:
        use_current_views(connection)
        asked = "SELECT count(*), count(*) FILTER (must_see) FROM waiting_rows WHERE dataset = ?"
        waiting, must_see = connection.execute(asked, [dataset]).fetchall()[0]
    return int(waiting), int(must_see)


def shown_effects(store: Path, run_id: str) -> list[dict[str, Any]]:
    """What the gate saw the cleaning do to its judge, a line for each metric; none where it was not asked."""
    asked = """SELECT e.* FROM gate_effects e JOIN gates g ON g.run_id = e.run_id AND g.judge = e.judge
               WHERE e.run_id = ? AND e.comparison = 'cleaned less all' AND e.judged_on <> 'all rows' ORDER BY ALL"""
    with connect(store, read_only=True) as connection:
        return records(connection, asked, [run_id])
