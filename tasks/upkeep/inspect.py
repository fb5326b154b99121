"""Does a store still hold what it must? Every row, score, decision and published file, for `culpa store check`.

Nothing is repaired: each problem comes with what a person can do about it.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks import outputs, work
from culpa.tasks.opening import SCHEMA_VERSION
from culpa.tasks.sql import quoted, statement
from culpa.tasks.store import connect
from culpa.tasks.upkeep.contents import changed_contents
from culpa.tasks.upkeep.published_files import changed_files

__all__ = ["Inspection", "Problem", "inspect"]

FLAG_AGAIN = "run `culpa flag` on its data again with another --seed, and publish that run"
BACKUP = "go back to the store's last copy (`culpa store restore`), or flag the data again into a new store"
SAID = {  # problem -> what is wrong, what to do
    "without_run": ("lines of no run", "delete them, or " + BACKUP),
    "without_row": ("lines of rows that the run has not", BACKUP),
    "other_content": ("scores of another content or label than the run's row has", FLAG_AGAIN),
    "rows_missing": ("rows missing, or more than came in", BACKUP),
    "rows_twice": ("rows of the same name", BACKUP),
    "scores_missing": ("labelled rows without exactly one score", FLAG_AGAIN),
    "tags_missing": ("labelled rows without exactly one tag", FLAG_AGAIN),
    "scored_too_early": ("scores, tags or outcomes of a run that is not flagged", "flag the same data again"),
    "outcomes_twice": ("rows with two outcomes", "publish the run again"),
    "state_unclear": ("a state without its times, its place or its data set", "flag and publish the data again"),
    "batch_without_root": ("a batch onto a run that is not a flagged full run of its data set", "flag the batch alone"),
    "decisions_twice": ("decisions of the same number", BACKUP),
    "decision_on_no_dataset": (
        "decisions on a data set that no run has",
        "insert them again with a data set of `culpa runs`",
    ),
    "decision_on_no_row": ("decisions on rows that no run holds", "insert them again with the right row_id"),
    "outcome_of_no_decision": ("outcomes by a decision that is not there", "publish the run again"),
    "no_data": ("the run's data table is not there", BACKUP),
    "rows_without_data": ("rows whose columns are not in the data table, or twice", BACKUP),
    "changed_content": ("rows whose columns are no longer what came in: their hash differs", BACKUP),
    "view_broken": ("a view that does not answer", "flag any data set again: that makes every view anew"),
    "file_missing": ("a published file that is gone", "publish the run again"),
    "file_changed": ("a published file that is not what the publish wrote", "publish the run again"),
    "file_unbalanced": ("published files that together are not the input", "publish the run again"),
    "draft_left": ("what a killed process left", "the next run sweeps it away, or delete it"),
}


@dataclass(frozen=True)
class Problem:
    """One thing that does not hold."""

    problem: str  # a key of SAID
    where: str  # the run, table, view or file
    rows: int
    example: str | None = None

    @property
    def line(self) -> str:
        """What is wrong, where, and what to do, in one line."""
        said, cure = SAID[self.problem]
        example = f", such as {self.example}" if self.example else ""
        return f"{self.where}: {said}: {self.rows:,}{example}; {cure}"


@dataclass(frozen=True)
class Inspection:
    """What a store holds, and what is wrong with it."""

    store: Path
    schema_version: int
    counts: dict[str, int]  # runs, rows, scores, tags, decisions, published
    problems: tuple[Problem, ...]

    def as_record(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        problems = [{**asdict(one), "cure": SAID[one.problem][1], "says": one.line} for one in self.problems]
        return {
            "store": str(self.store),
            "schema_version": self.schema_version,
            "counts": self.counts,
            "problems": problems,
        }


def inspect(store: Path) -> Inspection:
    """Look at everything in the store and at what was published from it. Errors: BadInput for a file that is none."""
    with connect(store, read_only=True) as connection:
        counts = _counts(connection)
        problems = [Problem(*line) for line in connection.execute(statement("upkeep/inspect")).fetchall()]
        problems += [Problem(*line) for line in changed_contents(connection)]
        problems += [Problem("view_broken", name, 1, said) for name, said in _broken_views(connection)]
        problems += [Problem(*line) for line in changed_files(connection)]
    problems += [Problem("draft_left", str(path), 1) for path in _left(store)]
    return Inspection(store, SCHEMA_VERSION, counts, tuple(problems))


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    tables = ("runs", "rows", "scores", "tags", "decisions")
    parts = [f"SELECT {place}, count(*) FROM {table}" for place, table in enumerate(tables)]
    parts.append(f"SELECT {len(tables)}, count(*) FROM runs WHERE state = 'published'")
    found = dict(connection.execute(" UNION ALL ".join(parts)).fetchall())
    return {name: found[place] for place, name in enumerate((*tables, "published"))}


def _broken_views(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    names = "SELECT view_name FROM duckdb_views() WHERE NOT internal AND NOT temporary ORDER BY view_name"
    for (name,) in connection.execute(names).fetchall():
        try:
            connection.execute(f"SELECT * FROM {quoted(name)} LIMIT 0").fetchall()
        except duckdb.Error as error:
            yield name, str(error).split("\n")[0]


def _left(store: Path) -> list[Path]:
    return [*outputs.abandoned(store.absolute().parent), *work.abandoned(store)]
