"""The queue in memory: one entry for each flagged row, in the order in which they are worth a person's time.

Columns are arrays, so that filtering 100,000 entries takes a millisecond.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from culpa.tasks.errors import BadInput
from culpa.tasks.nearest import nearest
from culpa.tasks.queue.standings import Standings
from culpa.tasks.runs import Run, find_run
from culpa.tasks.sql import quoted, statement

__all__ = ["STATES", "Filter", "Queue", "read_queue"]

STATES = ("undecided", "decided", "disputed", "all")
NUMBERS = ("suggested_probability", "suspicion", "probability_wrong", "expected_wrong")


@dataclass(frozen=True)
class Filter:
    """Which entries a person wants to see; what is not given does not narrow."""

    state: str = "undecided"  # one of STATES
    label: str | None = None  # as given
    tag: str | None = None
    source: str | None = None
    must_see: bool = False
    suspicion_from: float | None = None
    suspicion_to: float | None = None
    probability_from: float | None = None  # of a wrong label
    probability_to: float | None = None


@dataclass(frozen=True)
class Queue:
    """The entries, and the runs that they come from; decisions made since lie in Standings."""

    dataset: str
    runs: Mapping[str, Run]  # by id; the last is the one flagged last
    columns: Mapping[str, NDArray[Any]]  # by name, each of one value per entry
    sources: NDArray[Any]  # of each entry

    def __len__(self) -> int:
        """Entries, decided or not."""
        return len(self.row_ids)

    @property
    def row_ids(self) -> NDArray[Any]:
        """The entries' names."""
        return self.columns["row_id"]

    @cached_property
    def place(self) -> dict[str, int]:
        """Where each row stands."""
        return {row: place for place, row in enumerate(self.row_ids)}

    @property
    def run(self) -> Run:
        """The run that was flagged last: its classes and label are the data set's."""
        return list(self.runs.values())[-1]

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels there are, in the order of the full run; none of a regression."""
        return tuple(dict.fromkeys(label for run in self.runs.values() for label in run.classes))

    def matching(self, wanted: Filter, standings: Standings) -> NDArray[np.bool_]:
        """Which entries pass the filter."""
        found = standings.matching(wanted.state)
        for name, value in (("given_label", wanted.label), ("tag", wanted.tag)):
            if value is not None:
                found &= self.columns[name] == value
        if wanted.source is not None:
            found &= self.sources == wanted.source
        if wanted.must_see:
            found &= self.must_see(standings)
        ranges = {
            "suspicion": (wanted.suspicion_from, wanted.suspicion_to),
            "probability_wrong": (wanted.probability_from, wanted.probability_to),
        }
        for name, (low, high) in ranges.items():
            if low is not None:
                found &= self.columns[name] >= low
            if high is not None:
                found &= self.columns[name] <= high
        return found

    def must_see(self, standings: Standings) -> NDArray[np.bool_]:
        """Which entries a person must see before a publish, as review_queue has it, decided or not; a new array."""
        dropped: NDArray[np.bool_] = self.columns["rule_drops"] | standings.unsettled
        return dropped

    def values(self, name: str) -> list[str]:
        """The different values of a column of texts, for a list to choose from; `source` is one of them."""
        column = self.sources if name == "source" else self.columns[name]
        return sorted({value for value in column if value is not None})


def read_queue(connection: duckdb.DuckDBPyConnection, dataset: str, source_column: str | None) -> Queue:
    """The data set's entries: what waits, in the order of review_queue, then what is settled."""
    parts = [_columns(connection, statement(f"queue/{part}"), dataset) for part in ("waiting", "settled")]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    found = connection.execute("SELECT run_id FROM current_runs WHERE dataset = ? ORDER BY turn", [dataset]).fetchall()
    runs = {run_id: find_run(connection, run_id) for (run_id,) in found}
    kept = [run for run in runs.values() if run.keeps_data]
    if source_column is not None and kept and not any(source_column in run.schema.names for run in kept):
        known = runs[next(iter(runs))].schema.names
        raise BadInput(f"the data set {dataset!r} has no column {source_column!r}{nearest(source_column, known)}")
    return Queue(dataset, runs, columns, _sources(connection, runs, columns, source_column))


def _columns(connection: duckdb.DuckDBPyConnection, sql: str, dataset: str) -> dict[str, NDArray[Any]]:
    table = connection.sql(sql, params={"dataset": dataset}).to_arrow_table()
    return {name: _array(name, table[name].to_pylist()) for name in table.column_names}


def _array(name: str, values: list[Any]) -> NDArray[Any]:
    if name in NUMBERS:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(values, dtype=np.bool_ if name in ("rule_drops", "decided") else np.object_)


def _sources(
    connection: duckdb.DuckDBPyConnection,
    runs: Mapping[str, Run],
    columns: Mapping[str, NDArray[Any]],
    source_column: str | None,
) -> NDArray[Any]:
    """Where each entry comes from: the value of a column of its own, or the source of its run."""
    sources = np.array([runs[run].source for run in columns["run_id"]], dtype=np.object_)
    if source_column is None:
        return sources
    place = {row: number for number, row in enumerate(columns["row_id"])}
    for run in runs.values():
        if run.keeps_data and source_column in run.schema.names:
            found = connection.execute(
                f"""SELECT r.row_id, CAST(data.{quoted(source_column)} AS VARCHAR)
                    FROM rows r JOIN {quoted(run.data_table)} data
                        ON data.__row_id = r.row_id AND data.__row_hash = r.row_hash
                    SEMI JOIN tags t ON t.run_id = r.run_id AND t.row_id = r.row_id
                        AND (t.corner <> 'neither' OR t.tag <> 'neither' OR t.droppable)
                    WHERE r.run_id = ?""",
                [run.run_id],
            ).fetchall()
            for row, value in found:
                if row in place and columns["run_id"][place[row]] == run.run_id:
                    sources[place[row]] = value
    return sources
