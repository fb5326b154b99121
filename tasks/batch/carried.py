"""Rows of a batch that were scored before, with the same content: their scores and evidence are carried on."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from culpa.tasks.batch.sides import KNOWN
from culpa.tasks.runs import Run
from culpa.tasks.sql import literal, quoted

__all__ = ["add_carried", "attach_carried", "carried_evidence", "copy_carried"]

TABLES = ("scores", "proxy_scores", "learning", "reference_influences")
OF_THE_RUN = {"scores": "run_id, row_hash, given_label, duplicate_group"}
NOBODY = pa.schema([("row_id", pa.string()), ("from_run", pa.string())])


def copy_carried(connection: duckdb.DuckDBPyConnection, run: Run, folder: Path) -> None:
    """Copy what the store knows of the known rows into the work folder, a file for each table."""
    for table in (*TABLES, "evidence"):
        columns = f"one.* EXCLUDE ({OF_THE_RUN.get(table, 'run_id')})"
        query = f"""SELECT {columns} FROM {quoted(table)} one
                    JOIN known k ON k.row_id = one.row_id AND k.from_run = one.run_id"""
        connection.execute(f"COPY ({query}) TO {literal(str(_file(folder, table)))} (FORMAT parquet)")


def add_carried(folder: Path) -> None:
    """Put the carried lines behind those of the rows that were scored now."""
    for table in TABLES:
        file, carried = folder / f"{table}.parquet", pq.read_table(_file(folder, table))
        both = [pq.read_table(file), carried] if file.is_file() else [carried]
        pq.write_table(pa.concat_tables(both, promote_options="permissive"), file)


def carried_evidence(folder: Path) -> pa.Table | None:
    """The evidence that is carried on; None where the run is no batch."""
    file = _file(folder, "evidence")
    return pq.read_table(file) if file.is_file() else None


def attach_carried(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Let the connection read `new_carried`, the rows whose scores are carried on: row_id, from_run."""
    file = folder / KNOWN
    connection.register("new_carried", pq.read_table(file) if file.is_file() else NOBODY.empty_table())


def _file(folder: Path, table: str) -> Path:
    return folder / f"carried.{table}.parquet"
