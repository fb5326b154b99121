"""The rule over the scores of a work folder: in a database of its own in memory, with all parameters a rule may use."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from culpa.tasks.memory import limit_memory
from culpa.tasks.rule import apply_rule, read_rule
from culpa.tasks.runs import Run
from culpa.tasks.scored import Scored, read_scored
from culpa.tasks.sql import literal, statement

if TYPE_CHECKING:
    from culpa.tasks.settings import Settings

__all__ = ["SCORE_COLUMNS", "Ruling", "is_faithful", "parameters", "rows_of", "ruling"]

SCORE_COLUMNS = 20


@dataclass(frozen=True)
class Ruling:
    """What the rule made of some scores."""

    connection: duckdb.DuckDBPyConnection  # with the tables scores and tags
    scores: Scored
    threshold: float  # of memorization

    def rows_that(self, column: str) -> set[str]:
        """Ids of the rows whose tag is true in this column, harmful or droppable."""
        return {row for (row,) in self.connection.sql(f"SELECT row_id FROM tags WHERE {column}").fetchall()}


@contextmanager
def ruling(folder: Path, run: Run, rows: pa.Table, settings: "Settings", *, faithful: bool) -> Iterator[Ruling]:
    """Apply the rule to the scores in `folder`; `rows` are those of the run as the store has them.

    Errors: BadInput for a rule that cannot be used; CulpaError when the scores do not fit the run.
    """
    rule = read_rule(settings.rule)
    with _scratch(folder, settings.memory_limit) as connection:
        scores = read_scored(connection, folder, run, rows)
        threshold = _memorization_threshold(connection, settings)
        apply_rule(connection, rule, parameters(run, settings, threshold, faithful=faithful))
        yield Ruling(connection, scores, threshold)


def rows_of(connection: duckdb.DuckDBPyConnection, run_id: str) -> pa.Table:
    """The rows of a run."""
    return connection.sql("SELECT * FROM rows WHERE run_id = $run_id", params={"run_id": run_id}).to_arrow_table()


def is_faithful(folder: Path) -> bool:
    """Whether training again bore out what influence foretold; where nobody tried, influence is believed."""
    file = folder / "report.json"
    report = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return bool(report.get("faithfulness", {}).get("faithful", True))


def parameters(run: Run, settings: "Settings", memorization_threshold: float, *, faithful: bool) -> dict[str, Any]:
    """The named parameters that a rule may use."""
    return {
        "run_id": run.run_id,
        "task": run.task,
        "trusted_reference": run.reference_fingerprint is not None,
        "memorization_threshold": memorization_threshold,
        "false_discovery_rate": settings.false_discovery_rate,
        "probability_wrong_threshold": settings.probability_wrong_threshold,
        "influence_is_faithful": faithful,
    }


@contextmanager
def _scratch(folder: Path, memory_limit: str | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills into the work folder."""
    with duckdb.connect() as connection:
        limit_memory(connection, memory_limit, SCORE_COLUMNS)
        connection.execute(f"SET temp_directory = {literal(str(folder / 'spilled'))}")
        yield connection


def _memorization_threshold(connection: duckdb.DuckDBPyConnection, settings: "Settings") -> float:
    """The user's threshold, or the one that this run's own scores suggest."""
    if settings.memorization_threshold is not None:
        return settings.memorization_threshold
    return float(connection.execute(statement("usual_memorization")).fetchall()[0][0])
