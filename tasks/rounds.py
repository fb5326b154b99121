"""The record of the rounds that scoring went through, and its report, from the work folder into the store."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

OF_THE_TABLE = ("round", "removed", "threshold", "accepted")
ROUNDS = pa.schema(
    [
        ("round", pa.int32()),
        ("removed", pa.int64()),
        ("threshold", pa.float64()),
        ("accepted", pa.bool_()),
        ("detail", pa.string()),
    ]
)
REMOVALS = pa.schema([("round", pa.int32()), ("row_id", pa.string())])


def write_rounds(connection: duckdb.DuckDBPyConnection, run_id: str, folder: Path) -> None:
    """Replace the run's rounds and the rows that each removed; what the tables have no column for goes to `detail`."""
    rounds = _read(folder / "rounds.json") or []
    lines = [{**one, "detail": json.dumps(_detail(one), default=str)} for one in rounds]
    removals = [{"round": one["round"], "row_id": row} for one in rounds for row in one.get("rows", ())]
    connection.register("new_rounds", pa.Table.from_pylist(lines, schema=ROUNDS))
    connection.register("new_removals", pa.Table.from_pylist(removals, schema=REMOVALS))
    for table, new in (("rounds", "new_rounds"), ("round_removals", "new_removals")):
        connection.execute(f"DELETE FROM {table} WHERE run_id = ?", [run_id])
        connection.execute(f"INSERT INTO {table} BY NAME SELECT ? AS run_id, * FROM {new}", [run_id])


def report_text(folder: Path, said: dict[str, Any]) -> str:
    """The report of the scoring, and what tagging said beside it, as JSON text, NaN as null."""
    return json.dumps((_read(folder / "report.json") or {}) | said)


def _read(file: Path) -> Any:
    if not file.is_file():
        return None
    return json.loads(file.read_text(encoding="utf-8"), parse_constant=lambda _: None)


def _detail(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in (*OF_THE_TABLE, "rows")}
