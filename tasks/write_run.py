"""Writes an understood input into the store: data, rows and the run itself, all or nothing."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks.errors import BadInput
from culpa.tasks.fingerprint import versions
from culpa.tasks.memory import limit_memory
from culpa.tasks.outside import data_view_name, make_data_views
from culpa.tasks.read import Input
from culpa.tasks.reference import Reference
from culpa.tasks.reference_sets import JUDGING
from culpa.tasks.remarks import messages
from culpa.tasks.runs import find_run
from culpa.tasks.settings import Settings
from culpa.tasks.sql import filled, literal, quoted
from culpa.tasks.staging import FILE
from culpa.tasks.store import connect, transaction


def state_of(store: Path, run_id: str) -> str | None:
    """How far a run has come in the store: ingested, flagged, published, or None if it is not there.

    A run whose scores were pruned is only ingested: they can be made again.
    """
    with connect(store, read_only=True) as connection:
        asked = "SELECT CASE WHEN forgotten_at IS NULL THEN state ELSE 'ingested' END FROM runs WHERE run_id = ?"
        found = connection.execute(asked, [run_id]).fetchall()
    return str(found[0][0]) if found else None


def write_run(folder: Path, settings: Settings, run_id: str, found: Input, onto: str | None = None) -> None:
    """Copy the staged tables of `folder` into the store as the run `run_id`, unless another process just did.

    `onto` is the full run that a batch comes onto.
    """
    with transaction(settings.store) as connection:
        limit_memory(connection, settings.memory_limit, len(found.columns))
        connection.execute(f"ATTACH {literal(str(folder / FILE))} AS staged (READ_ONLY)")
        if connection.execute("SELECT 1 FROM runs WHERE run_id = ?", [run_id]).fetchall():
            return
        _check_dataset(connection, settings.dataset_name)
        table = data_view_name(settings.dataset_name, settings.label)
        if settings.keep_data:
            table = _copy_data(connection, f"data_{settings.dataset_name}", "data", "rows_to_store")
        _copy_rows(connection, run_id)
        sets = [_copy_reference(connection, settings, run_id, reference) for reference in found.references]
        _write_dataset(connection, settings, found)
        _write_line(connection, "runs", {**_run(settings, run_id, found, table, sets), "onto": onto})
        if not settings.keep_data:
            make_data_views(connection, find_run(connection, run_id))


def _check_dataset(connection: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Refuse a name that SQL cannot tell from another's: the views of both would be one."""
    same = "SELECT dataset FROM datasets WHERE lower(dataset) = lower($name) AND dataset <> $name"
    found = connection.execute(same, {"name": dataset}).fetchall()
    if found:
        raise BadInput(
            f"the store has a data set {found[0][0]!r}, which SQL cannot tell from {dataset!r}: give another --dataset"
        )


def _copy_data(connection: duckdb.DuckDBPyConnection, prefix: str, data: str, named: str) -> str:
    """Put staged data into the table of its name and schema; says which."""
    columns = connection.execute(f"DESCRIBE staged.{quoted(data)}").fetchall()
    schema = md5(json.dumps([column[:2] for column in columns]).encode()).hexdigest()[:8]
    table = f"{prefix}_{schema}"
    connection.execute(
        f"""CREATE TABLE IF NOT EXISTS {quoted(table)} AS
            SELECT CAST('' AS VARCHAR) AS __row_id, CAST('' AS VARCHAR) AS __row_hash, *
            FROM staged.{quoted(data)} LIMIT 0"""
    )
    connection.execute(filled("insert_data", table=quoted(table), data=quoted(data), named=quoted(named)))
    return table


def _copy_reference(
    connection: duckdb.DuckDBPyConnection, settings: Settings, run_id: str, reference: Reference
) -> dict[str, str]:
    """Put one set of reference rows into the store; says its name and the table of its columns."""
    prefix = f"data_{settings.dataset_name}_reference"
    table = data_view_name(settings.dataset_name, settings.label, reference.name)
    if settings.keep_data:
        table = _copy_data(connection, prefix, reference.staged, reference.named)
    connection.execute(
        f"""INSERT INTO reference_rows BY NAME
            SELECT ? AS run_id, ? AS reference, position, row_id, row_hash, given_label
            FROM staged.{quoted(reference.named)} WHERE given_label IS NOT NULL ORDER BY position""",
        [run_id, reference.name],
    )
    return {"name": reference.name, "table": table}


def _copy_rows(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    connection.execute(
        """INSERT INTO rows SELECT ?, position, row_id, row_hash, given_label, duplicate_group, is_reference
           FROM staged.rows_to_store ORDER BY position""",
        [run_id],
    )


def _write_dataset(connection: duckdb.DuckDBPyConnection, settings: Settings, found: Input) -> None:
    connection.execute(
        """INSERT INTO datasets VALUES ($dataset, $source, $label, $key, $task, $now)
           ON CONFLICT DO UPDATE SET source = $source, label = $label, key_column = $key, task = $task""",
        {
            "dataset": settings.dataset_name,
            "source": settings.source_name,
            "label": settings.label,
            "key": settings.key,
            "task": found.label.task,
            "now": _now(),
        },
    )


def _run(settings: Settings, run_id: str, found: Input, table: str, sets: list[dict[str, str]]) -> dict[str, Any]:
    scoring = next((one for one in found.references[:1] if one.name != JUDGING), None)
    return {
        "run_id": run_id,
        "dataset": settings.dataset_name,
        "state": "ingested",
        "source": settings.source_name,
        "label": settings.label,
        "key_column": settings.key,
        "task": found.label.task,
        "settings": json.dumps(settings.kept_settings()),
        "versions": json.dumps(versions()),
        "data_fingerprint": found.fingerprint,
        "reference_fingerprint": None if scoring is None else scoring.fingerprint,
        "data_table": table,
        "reference_table": None if scoring is None else sets[0]["table"],
        "reference_sets": json.dumps(sets),
        "arrow_schema": found.schema.serialize().to_pybytes(),
        "columns": json.dumps([asdict(column) for column in found.columns]),
        "classes": json.dumps(found.label.classes),
        "row_count": found.rows,
        "unlabelled_count": found.label.unlabelled,
        "keeps_data": settings.keep_data,
        "warnings": json.dumps(messages(found.remarks, "warning")),
        "created_at": _now(),
    }


def _write_line(connection: duckdb.DuckDBPyConnection, table: str, line: dict[str, Any]) -> None:
    names, marks = ", ".join(quoted(name) for name in line), ", ".join("?" for _ in line)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(line.values()))


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
