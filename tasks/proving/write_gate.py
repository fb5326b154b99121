"""What the gate found, to the store and back."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from culpa.tasks.errors import CulpaError
from culpa.tasks.runs import Run, records
from culpa.tasks.settings import Settings
from culpa.tasks.sql import quoted
from culpa.tasks.store import connect, transaction

TABLES = ("gate_effects", "gate_curve", "held_back")


@dataclass(frozen=True, kw_only=True)
class Gated:
    """One line of the table `gates`, and those of the tables beside it."""

    run_id: str
    plan: str
    gate: str
    passed: bool
    verdict: str
    reason: str
    trusted: bool
    judge: str
    margin: float | None = None
    proposed: int
    allowed: int = 0
    choosing_rows: int = 0
    judging_rows: int = 0
    seeds: int
    detail: dict[str, Any] = field(default_factory=dict)
    gate_effects: list[dict[str, Any]] = field(default_factory=list)
    gate_curve: list[dict[str, Any]] = field(default_factory=list)
    held_back: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, run: Run, plan: str, settings: Settings, proposed: int) -> Self:
        """Nothing judged yet."""
        return cls(
            run_id=run.run_id,
            plan=plan,
            gate=settings.gate,
            passed=False,
            verdict="not judged",
            reason="",
            trusted=bool(run.reference_sets),
            judge=settings.judge or settings.proxy,
            proposed=proposed,
            seeds=settings.seeds,
        )


def write_gate(store: Path, gated: Gated) -> None:
    """Replace what the store says of the run's gate, in one transaction."""
    line = {name: value for name, value in asdict(gated).items() if name not in TABLES}
    line |= {"detail": json.dumps(gated.detail), "judged_at": datetime.now(UTC).replace(tzinfo=None)}
    try:
        with transaction(store) as connection:
            for table, lines in (("gates", [line]), *((table, getattr(gated, table)) for table in TABLES)):
                _replace(connection, table, gated.run_id, lines)
    except duckdb.Error as error:
        raise CulpaError(f"what the gate found of run {gated.run_id} cannot be written to {store}: {error}") from error


def recall(store: Path, run_id: str, plan: str) -> Gated | None:
    """What the gate said of this very plan; None where it was not asked."""
    with connect(store, read_only=True) as connection:
        found = records(
            connection, "SELECT * EXCLUDE judged_at FROM gates WHERE run_id = ? AND plan = ?", [run_id, plan]
        )
        if not found:
            return None
        beside: dict[str, Any] = {
            table: records(connection, f"SELECT * EXCLUDE run_id FROM {quoted(table)} WHERE run_id = ?", [run_id])
            for table in TABLES
        }
    return Gated(**{**found[0], **beside, "detail": json.loads(found[0]["detail"])})


def _replace(connection: duckdb.DuckDBPyConnection, table: str, run_id: str, lines: list[dict[str, Any]]) -> None:
    carried = "AND row_id NOT IN (SELECT row_id FROM carried WHERE run_id = $run_id)" if table == "held_back" else ""
    connection.execute(f"DELETE FROM {quoted(table)} WHERE run_id = $run_id {carried}", {"run_id": run_id})
    if lines:
        connection.register("new_lines", pa.Table.from_pylist(lines))
        columns = "* " if "run_id" in lines[0] else "? AS run_id, *"
        values = [] if "run_id" in lines[0] else [run_id]
        connection.execute(f"INSERT INTO {quoted(table)} BY NAME SELECT {columns} FROM new_lines", values)
        connection.unregister("new_lines")
