"""Are the published files still what the publish wrote? Held against the manifest beside them, and the store."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks.errors import BadInput
from culpa.tasks.formats import ending
from culpa.tasks.locations import is_url
from culpa.tasks.outputs import checksum
from culpa.tasks.publishing.balance import ROW_CHECKSUM
from culpa.tasks.sinks.folders import DELTA, is_folder

__all__ = ["changed_files"]

Found = tuple[str, str, int, str | None]  # the problem, where, how many, which file


def changed_files(connection: duckdb.DuckDBPyConnection) -> Iterator[Found]:
    """What is missing or changed of the files of every place that was published to, by the last run that went there."""
    last = connection.execute(
        """SELECT run_id, out FROM runs WHERE state = 'published' AND out IS NOT NULL
           QUALIFY row_number() OVER (PARTITION BY out ORDER BY published_at DESC, run_id) = 1 ORDER BY run_id"""
    ).fetchall()
    for run_id, out in last:
        if not is_url(out) and Path(out).suffix != DELTA:  # the next publish looks at those
            yield from _of_place(connection, run_id, Path(out))


def _of_place(connection: duckdb.DuckDBPyConnection, run_id: str, out: Path) -> Iterator[Found]:
    where = f"run {run_id}"
    stem = _stem(out)
    manifest = out.with_name(f"{stem}.manifest.json")
    if not manifest.is_file():
        yield "file_missing", where, 1, str(manifest)
        return
    said = _read(manifest)
    known = [] if said is None else _run(connection, said.get("run"), out)
    if said is None or not known or not {"clean", "quarantine"} <= said["files"].keys():
        yield "file_changed", where, 1, str(manifest)
        return
    for role, sealed in said["files"].items():
        path = out if role == "clean" else out.with_name(f"{stem}.{role}.parquet")
        if not path.exists():
            yield "file_missing", where, 1, str(path)
        elif checksum(path) != sealed["sha256"]:
            yield "file_changed", where, 1, str(path)
    yield from _unbalanced(known[0], manifest, said["files"])


def _stem(out: Path) -> str:
    try:
        return out.name if is_folder(out, ()) else out.name[: -len(ending(out))]
    except BadInput:  # a partitioned folder that is gone
        return out.name


def _run(connection: duckdb.DuckDBPyConnection, run_id: object, out: Path) -> list[tuple[Any, ...]]:
    """What the store knows of the run that was published here last: id, rows, their checksum, how many were dropped.

    That may be another run than the store has for this place, since a run remembers only the last of its places; what
    it dropped here is then not known.
    """
    return connection.execute(
        f"""SELECT run_id, row_count, (SELECT coalesce(sum({ROW_CHECKSUM}), 0) FROM rows r WHERE r.run_id = u.run_id),
                   CASE WHEN out = $out AND state = 'published' THEN
                       (SELECT count(*) FROM outcomes o WHERE o.run_id = u.run_id AND outcome = 'dropped') END
            FROM runs u WHERE run_id = $run""",
        {"run": str(run_id), "out": str(out)},
    ).fetchall()


def _read(manifest: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        return found if isinstance(found.get("files"), dict) else None
    except (OSError, ValueError, AttributeError):
        return None


def _unbalanced(known: tuple[Any, ...], manifest: Path, files: dict[str, Any]) -> Iterator[Found]:
    """clean + quarantine = input, by count and by checksum; and what the store remembers as dropped is what is gone."""
    run_id, row_count, content, dropped = known
    sides = [files[role] for role in ("clean", "quarantine")]
    off = (
        abs(sum(side["rows"] for side in sides) - row_count)
        or int(sum(int(side["row_checksum"]) for side in sides) != int(content))
        or abs(files["quarantine"]["rows"] - (files["quarantine"]["rows"] if dropped is None else dropped))
    )
    if off:
        yield "file_unbalanced", f"run {run_id}", off, str(manifest)
