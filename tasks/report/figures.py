"""Everything the report tells, read from the store: counts and samples, never all rows.

Each figure is the answer of one SQL file beside this one. Histograms are counted in SQL and the scatter is a sample,
so a run of a million rows gives the same few thousand numbers as a small one.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks.report.suspects import Suspect, read_suspects
from culpa.tasks.runs import Run, find_run, records
from culpa.tasks.sql import filled, quoted, statement
from culpa.tasks.store import connect
from culpa.tasks.views import use_current_views

__all__ = ["MOST_POINTS", "Figures", "outcomes_of", "prepare", "proof", "read_figures", "tags_of"]

Records = list[dict[str, Any]]
MOST_POINTS = 3_000
MOST_FLAGGED_POINTS = 1_500
BINS = 48
MOST_GROUPS = 15
SCORES = ("suspicion", "probability_wrong", "memorization")


@dataclass(frozen=True)
class Figures:
    """One run in numbers; a list without a line, or a None, says that the run has nothing of the kind."""

    run: Run
    warnings: tuple[str, ...]
    outcomes: dict[str, int]  # rows, dropped, dropped_by_rule, relabelled, kept_after_review, passed, held_back
    tags: Records
    gate: dict[str, Any] | None
    effects: Records
    curve: Records
    points: Records
    histograms: dict[str, Records]  # score -> bins: from, to, rows, harmful
    thresholds: dict[str, float | None]  # of the same scores
    confusion: Records
    classes: Records
    duplicates: Records
    suspects: tuple[Suspect, ...]
    references: Records
    learning: Records
    calibration: Records
    faithfulness: Records
    planting: dict[str, Any]  # what the report calls calibration, self_test, faithfulness: {} where it says nothing
    self_test: dict[str, Any]
    removals: dict[str, Any]

    @property
    def scored(self) -> int:
        """The labelled rows: every one has scores."""
        return sum(one["rows"] for one in self.tags)

    @property
    def flagged(self) -> int:
        """Rows with a tag other than neither."""
        return sum(one["rows"] for one in self.tags if one["tag"] != "neither")

    @property
    def published(self) -> bool:
        """Whether the outcomes have happened, or would happen."""
        return self.run.state == "published"


def read_figures(store: Path, run_id: str) -> Figures:
    """The figures of one run, which can be named by the beginning of its id."""
    with connect(store, read_only=True) as connection:
        run = find_run(connection, run_id)
        prepare(connection, run)
        own = {"run_id": run.run_id}
        gate = records(connection, "SELECT * FROM gates WHERE run_id = $run_id", own)
        return Figures(
            run=run,
            warnings=_warnings(connection, run),
            outcomes=outcomes_of(connection),
            tags=tags_of(connection),
            gate=gate[0] if gate else None,
            effects=records(connection, "SELECT * FROM gate_effects WHERE run_id = $run_id", own),
            curve=records(connection, "SELECT * FROM gate_curve WHERE run_id = $run_id ORDER BY arm, removed", own),
            points=_points(connection),
            histograms={score: _histogram(connection, score) for score in SCORES},
            thresholds=_thresholds(connection, run),
            confusion=records(connection, statement("report/confusion")) if run.classes else [],
            classes=records(connection, statement("report/classes")) if run.classes else [],
            duplicates=_duplicates(connection, run),
            suspects=read_suspects(connection, run),
            references=records(connection, statement("report/references"), own),
            learning=records(connection, statement("report/learning"), own),
            calibration=records(connection, "SELECT * FROM calibration WHERE run_id = $run_id ORDER BY budget", own),
            faithfulness=records(connection, "SELECT * FROM faithfulness WHERE run_id = $run_id", own),
            planting=proof(run, "calibration", "planted"),
            self_test=proof(run, "self_test", "passed"),
            removals=proof(run, "faithfulness", "spearman"),
        )


def prepare(connection: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Make the tables `judged` and `fates` of this run, for this connection alone."""
    use_current_views(connection)
    for name in ("judged", "fates"):
        connection.execute(statement(f"report/{name}"), {"run_id": run.run_id})


def outcomes_of(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many rows of the prepared run went, stayed or got another label."""
    return records(connection, statement("report/outcomes"))[0]


def tags_of(connection: duckdb.DuckDBPyConnection) -> Records:
    """Rows of the prepared run by tag."""
    return records(connection, statement("report/tags"))


def proof(run: Run, name: str, mark: str) -> dict[str, Any]:
    """What the run's report says under `name` if it holds `mark` or why it was skipped, else nothing."""
    said = (run.report or {}).get(name)
    return said if isinstance(said, dict) and (mark in said or "skipped" in said) else {}


def _warnings(connection: duckdb.DuckDBPyConnection, run: Run) -> tuple[str, ...]:
    found = connection.execute("SELECT warnings FROM runs WHERE run_id = ?", [run.run_id]).fetchall()
    return tuple(map(str, json.loads(found[0][0])))


def _points(connection: duckdb.DuckDBPyConnection) -> Records:
    limits = {"most": MOST_POINTS, "most_flagged": MOST_FLAGGED_POINTS}
    return records(connection, statement("report/points"), limits)


def _histogram(connection: duckdb.DuckDBPyConnection, score: str) -> Records:
    return records(connection, filled("report/histogram", score=quoted(score)), {"bins": BINS})


def _thresholds(connection: duckdb.DuckDBPyConnection, run: Run) -> dict[str, float | None]:
    """Where each score starts to speak against a row; of suspicion it is that of the least suspicious harmful row."""
    least = connection.execute("SELECT min(suspicion) FROM judged WHERE harmful AND isfinite(suspicion)").fetchall()[0]
    planted = proof(run, "calibration", "planted").get("threshold")
    return {
        "suspicion": planted if planted is not None else least[0],
        "probability_wrong": run.settings.get("probability_wrong_threshold"),
        "memorization": (run.report or {}).get("memorization_threshold"),
    }


def _duplicates(connection: duckdb.DuckDBPyConnection, run: Run) -> Records:
    """Exact copies with different labels; numbers that differ a little are no contradiction."""
    if not run.classes:
        return []
    return records(connection, statement("report/duplicates"), {"run_id": run.run_id, "most": MOST_GROUPS})
