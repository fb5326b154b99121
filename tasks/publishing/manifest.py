"""The manifest: a JSON file beside the cleaned data that says where it came from and what was done to it.

It seals both files by their checksums, and holds no clock but the run's own times, so that publishing a run twice gives
the same bytes.
"""

import json
from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks.locations import Location, last_name
from culpa.tasks.outputs import checksum, size
from culpa.tasks.publishing.balance import Side
from culpa.tasks.publishing.guards import Guards
from culpa.tasks.runs import Run, records

FORMAT = 1


def describe(connection: duckdb.DuckDBPyConnection, run: Run, guards: Guards, place: Location) -> dict[str, Any]:
    """What a manifest says before the files are written: the run, the guards, the plan (temporary table `plan`)."""
    return {
        "format": FORMAT,
        "run": run.run_id,
        "dataset": run.dataset,
        "source": run.source,
        "label": run.label,
        "key": run.key_column,
        "task": run.task,
        "parameters": run.settings,
        "guards": {"max_drop": guards.max_drop, "max_drop_per_class": guards.max_drop_per_class},
        "gate": _gate(connection, run),
        "versions": run.versions,
        "fingerprints": {
            "data": run.data_fingerprint,
            "reference": run.reference_fingerprint,
            "plan": _plan(connection),
        },
        "ingested_at": run.created_at.isoformat(),
        "flagged_at": run.flagged_at.isoformat() if run.flagged_at else None,
        "out": last_name(place),
        "counts": {
            "rows": run.row_count,
            "unlabelled": run.unlabelled_count,
            "outcomes": _counts(connection, "outcome"),
            "tags": _counts(connection, "tag"),
            "dropped_by_tag": _counts(connection, "tag", "outcome = 'dropped'"),
            "dropped_by_label": _counts(connection, "given_label", "outcome = 'dropped' AND given_label IS NOT NULL"),
            "decisions": _counts(connection, "decision", "decision IS NOT NULL"),
        },
    }


def seal(described: dict[str, Any], files: dict[str, tuple[Path, Side]]) -> dict[str, Any]:
    """The manifest with each file's rows and checksums: role -> (where it is now written, what lies in it)."""
    sealed = {
        role: {
            "rows": side.rows,
            "row_checksum": str(side.checksum),
            "bytes": size(path),
            "sha256": checksum(path),
        }
        for role, (path, side) in files.items()
    }
    return {**described, "files": sealed}


def still_holds(manifest: Path, described: dict[str, Any], files: dict[str, Path]) -> bool:
    """Whether the files that lie there are exactly what publishing again would write."""
    try:
        sealed = seals(manifest.read_text(encoding="utf-8"), described)
        return sealed is not None and all(sealed[role]["sha256"] == checksum(path) for role, path in files.items())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def seals(text: str, described: dict[str, Any]) -> dict[str, Any] | None:
    """The seals of a manifest's files, by their role; None if it says anything else of the run than `described`.

    Errors: ValueError, LookupError or AttributeError for what is no manifest.
    """
    found = json.loads(text)
    sealed: dict[str, Any] = found.pop("files")
    return sealed if found == json.loads(as_text(described)) else None


def as_text(manifest: dict[str, Any]) -> str:
    """The file's text: keys in a fixed order, one a line."""
    return json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n"


def _counts(connection: duckdb.DuckDBPyConnection, column: str, where: str = "true") -> dict[str, int]:
    return dict(
        connection.execute(
            f"SELECT {column}, count(*) FROM plan WHERE {where} GROUP BY {column} ORDER BY {column}"
        ).fetchall()
    )


def _gate(connection: duckdb.DuckDBPyConnection, run: Run) -> dict[str, Any] | None:
    """What the gate said of the run, with its effects; None where it was not asked."""
    asked = (
        "SELECT gate, passed, verdict, reason, trusted, judge, margin, proposed, allowed FROM gates WHERE run_id = ?"
    )
    found = records(connection, asked, [run.run_id])
    effects = "SELECT * EXCLUDE run_id FROM gate_effects WHERE run_id = ? ORDER BY ALL"
    return {**found[0], "effects": records(connection, effects, [run.run_id])} if found else None


def _plan(connection: duckdb.DuckDBPyConnection) -> str:
    """One number for everything the plan does to any row."""
    each = "concat_ws(chr(31), row_id, row_hash, outcome, tag, coalesce(reason, ''), coalesce(new_label, ''))"
    found = connection.execute(
        f"SELECT coalesce(sum(CAST('0x' || left(md5({each}), 15) AS UBIGINT)), 0) FROM plan WHERE outcome <> 'passed'"
    )
    return f"{int(found.fetchall()[0][0]):x}"
