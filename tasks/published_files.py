"""Are the published files still what the publish wrote? Held against the manifest beside them, and the store."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks.balance import ROW_CHECKSUM
from culpa.tasks.errors import BadInput
from culpa.tasks.formats import ending
from culpa.tasks.outputs import checksum

__all__ = ["changed_files"]

Found = tuple[str, str, int, str | None]  # the problem, where, how many, which file


def changed_files(connection: duckdb.DuckDBPyConnection) -> Iterator[Found]:
    """What is missing or changed of the files of every place that was published to, by the last run that went there."""
    last = connection.execute(
        """SELECT run_id, out, row_count FROM runs WHERE state = 'published' AND out IS NOT NULL
           QUALIFY row_number() OVER (PARTITION BY out ORDER BY published_at DESC, run_id) = 1 ORDER BY run_id"""
    ).fetchall()
    for run_id, out, row_count in last:
        yield from _of_run(connection, run_id, Path(out), row_count)


def _of_run(connection: duckdb.DuckDBPyConnection, run_id: str, out: Path, row_count: int) -> Iterator[Found]:
    where = f"run {run_id}"
    try:
        stem = out.name[: -len(ending(out))]
    except BadInput:  # published to somewhere that is no file
        return
    manifest = out.with_name(f"{stem}.manifest.json")
    if not manifest.is_file():
        yield "file_missing", where, 1, str(manifest)
        return
    said = _read(manifest)
    if said is None or said.get("run") != run_id or "clean" not in said["files"]:
        yield "file_changed", where, 1, str(manifest)
        return
    for role, sealed in said["files"].items():
        path = out if role == "clean" else out.with_name(f"{stem}.{role}.parquet")
        if not path.is_file():
            yield "file_missing", where, 1, str(path)
        elif checksum(path) != sealed["sha256"]:
            yield "file_changed", where, 1, str(path)
    yield from _unbalanced(connection, run_id, manifest, said["files"], row_count)


def _read(manifest: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        return found if isinstance(found.get("files"), dict) else None
    except (OSError, ValueError, AttributeError):
        return None


def _unbalanced(
    connection: duckdb.DuckDBPyConnection, run_id: str, manifest: Path, files: dict[str, Any], row_count: int
) -> Iterator[Found]:
    """clean + quarantine = input, by count and by checksum; and what the store remembers as dropped is what is gone."""
    given, gone = connection.execute(
        f"""SELECT (SELECT coalesce(sum({ROW_CHECKSUM}), 0) FROM rows WHERE run_id = $run),
                   (SELECT count(*) FROM outcomes WHERE run_id = $run AND outcome = 'dropped')""",
        {"run": run_id},
    ).fetchall()[0]
    sides = [files[role] for role in ("clean", "quarantine")]
    rows, content = sum(side["rows"] for side in sides), sum(int(side["row_checksum"]) for side in sides)
    off = abs(rows - row_count) or int(content != int(given)) or abs(files["quarantine"]["rows"] - gone)
    if off:
        yield "file_unbalanced", f"run {run_id}", off, str(manifest)
