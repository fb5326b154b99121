"""Rows of a batch that were scored before, with the same content: their scores, tags and evidence are carried on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from culpa.tasks.batch.sides import KNOWN
from culpa.tasks.runs import Run
from culpa.tasks.sql import literal, quoted

__all__ = ["attach_carried", "carried_evidence", "copy_carried", "fresh_part", "with_carried"]

TABLES = ("scores", "proxy_scores", "learning", "reference_influences")
OF_THE_RUN = {"scores": "run_id, row_hash, given_label, duplicate_group"}
WHOLE = "whole"  # the folder of fresh and carried lines together, within the work folder
NOBODY = pa.schema([("row_id", pa.string()), ("from_run", pa.string())])


def copy_carried(connection: duckdb.DuckDBPyConnection, run: Run, folder: Path) -> None:
    """Copy what the store knows of the known rows into the work folder, a file for each table."""
    for table in (*TABLES, "tags", "evidence"):
        columns = f"one.* EXCLUDE ({OF_THE_RUN.get(table, 'run_id')})"
        query = f"""SELECT {columns} FROM {quoted(table)} one
                    JOIN known k ON k.row_id = one.row_id AND k.from_run = one.run_id"""
        connection.execute(f"COPY ({query}) TO {literal(str(_file(folder, table)))} (FORMAT parquet)")


def with_carried(folder: Path, tables: Sequence[str] = (*TABLES, "tags")) -> Path:
    """A folder with the files of the rows that were scored now, and the carried lines behind them."""
    whole = folder / WHOLE
    whole.mkdir(exist_ok=True)
    for table in tables:
        file, carried = folder / f"{table}.parquet", pq.read_table(_file(folder, table))
        both = [pq.read_table(file), carried] if file.is_file() else [carried]
        pq.write_table(pa.concat_tables(both, promote_options="permissive"), whole / f"{table}.parquet")
    return whole


def fresh_part(run: Run, rows: pa.Table, folder: Path) -> tuple[Run, pa.Table]:
    """The run as if it were the rows that were scored now alone: only they are ruled on."""
    known = pq.read_table(folder / KNOWN)["row_id"]
    fresh = pc.and_(pc.is_valid(rows["given_label"]), pc.invert(pc.is_in(rows["row_id"], value_set=known)))
    mine = rows.filter(fresh)
    return replace(run, row_count=len(mine), unlabelled_count=0), mine


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
