"""What checking a run leaves in its work folder for the store: the tables calibration and faithfulness, as Parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["attach_proof", "write_proof"]

NUMBER, COUNT, TEXT = pa.float64(), pa.int64(), pa.string()
TABLES = {
    "calibration": pa.schema(
        [
            ("budget", COUNT),
            ("precision_expected", NUMBER),
            ("precision_low", NUMBER),
            ("precision_high", NUMBER),
            ("wrong_expected", NUMBER),
            ("suspicion", NUMBER),
        ]
    ),
    "faithfulness": pa.schema(
        [
            ("proxy", TEXT),
            ("kind", TEXT),
            ("rows", COUNT),
            ("predicted", NUMBER),
            ("real", NUMBER),
            ("row_id", TEXT),
        ]
    ),
}


def write_proof(folder: Path, name: str, lines: Sequence[dict[str, Any]]) -> None:
    """Write the lines of one of the tables, without run_id."""
    pq.write_table(pa.Table.from_pylist(list(lines), schema=TABLES[name]), folder / f"{name}.parquet")


def attach_proof(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Register new_calibration and new_faithfulness, empty where the run was not checked."""
    for name, schema in TABLES.items():
        file = folder / f"{name}.parquet"
        connection.register(f"new_{name}", pq.read_table(file) if file.is_file() else schema.empty_table())
