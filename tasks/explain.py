"""Why is this row flagged, kept or gone: everything the store knows of it, run by run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks.row_names import dataset_of
from culpa.tasks.runs import records
from culpa.tasks.sql import quoted, statement
from culpa.tasks.store import connect
from culpa.tasks.views import use_current_views

HISTORY = "SELECT * FROM row_history WHERE dataset = $dataset AND row_id = $row_id ORDER BY created_at DESC, run_id"
SHOWN_COLUMNS = 20
SCORES = (
    "probability_wrong", "suspicion", "probability_without", "memorization", "self_influence", "influence",
    "influence_se", "influence_p_value", "class_influence", "relative_influence", "classification_influence", "loss",
)  # fmt: skip


@dataclass(frozen=True)
class Explanation:
    """One row's story: `text` for a person, `detail` for a program."""

    text: str
    detail: dict[str, Any]


def explain(store: Path, row_id: str, dataset: str | None = None) -> Explanation:
    """Per run what became of the row and why, its scores, tag and evidence; and every decision on it.

    Errors: BadInput for a row that no run has seen, with the nearest ids, and for one that lies in several data sets.
    """
    with connect(Path(store), read_only=True) as connection:
        use_current_views(connection)
        key = {"row_id": row_id, "dataset": dataset_of(connection, row_id, dataset)}
        detail: dict[str, Any] = {
            **key,
            "data": _data(connection, **key),
            "runs": [_with_grounds(connection, run) for run in records(connection, HISTORY, key)],
            "decisions": records(connection, statement("decisions_on_row"), key),
        }
    return Explanation(_text(detail), detail)


def _with_grounds(connection: duckdb.DuckDBPyConnection, run: dict[str, Any]) -> dict[str, Any]:
    """A run's line of the history with the scores and the evidence that it rests on."""
    key = {"run_id": run["run_id"], "row_id": run["row_id"]}
    where = "WHERE run_id = $run_id AND row_id = $row_id"
    scores = records(connection, f"SELECT * EXCLUDE (run_id, row_id, row_hash) FROM scores {where}", key)
    proxies = records(connection, f"SELECT * EXCLUDE (run_id, row_id) FROM proxy_scores {where} ORDER BY proxy", key)
    evidence = records(connection, statement("evidence_of_row"), key)
    return {**run, "scores": scores[0] if scores else None, "proxies": proxies, "evidence": evidence}


def _data(connection: duckdb.DuckDBPyConnection, row_id: str, dataset: str) -> dict[str, Any]:
    """The row's own columns as the newest run that holds it has them."""
    found = connection.execute(
        """SELECT u.data_table, r.row_hash FROM rows r JOIN runs u ON u.run_id = r.run_id
           WHERE r.row_id = ? AND u.dataset = ? ORDER BY u.created_at DESC LIMIT 1""",
        [row_id, dataset],
    ).fetchall()
    table, row_hash = found[0]
    columns = records(
        connection,
        f"""SELECT * EXCLUDE (__row_id, __row_hash) FROM {quoted(table)}
            WHERE __row_id = $row_id AND __row_hash = $row_hash""",
        {"row_id": row_id, "row_hash": row_hash},
    )
    return columns[0] if columns else {}


def _text(detail: dict[str, Any]) -> str:
    lines = [f"row {detail['row_id']} of {detail['dataset']}"]
    lines += [f"  {name}: {_short(value)}" for name, value in list(detail["data"].items())[:SHOWN_COLUMNS]]
    if len(detail["data"]) > SHOWN_COLUMNS:
        lines.append(f"  ... and {len(detail['data']) - SHOWN_COLUMNS} more columns")
    for run in detail["runs"]:
        lines += ["", *_run_lines(run)]
    if detail["decisions"]:
        lines += ["", "decisions"]
        lines += [_decision_line(one) for one in detail["decisions"]]
    return "\n".join(lines)


def _run_lines(run: dict[str, Any]) -> list[str]:
    lines = [f"run {run['run_id']} of {run['created_at']:%Y-%m-%d %H:%M} ({run['state']})", f"  {run['why']}"]
    if run["content_changed"]:
        lines.append("  its content differs from the run before")
    if scores := run["scores"]:
        tag = "flagged as " + run["tag"].replace("_", " ") if run["tag"] not in (None, "neither") else "not flagged"
        lines.append(f"  {tag}; label {scores['given_label']}" + _suggestion(scores))
        lines += [f"    {name}: {scores[name]:.4g}" for name in SCORES if scores[name] is not None]
    lines += [
        f"    {one['proxy']}: P(own label, without the row) {_number(one['probability_without'])}"
        for one in run["proxies"]
    ]
    lines += [f"  {_evidence_line(one)}" for one in run["evidence"]]
    if run["state"] == "published" and run["out"]:
        lines.append(f"  published to {run['out']}")
    if run["state"] == "published" and run["outcome_now"] not in (None, run["outcome"]):
        lines.append(f"  decided since: a publish now would have it {run['outcome_now']}")
    return lines


def _suggestion(scores: dict[str, Any]) -> str:
    if scores["suggested_label"] is None:
        return ""
    probability = (
        f" (probability {scores['suggested_probability']:.2f})" if scores["suggested_probability"] is not None else ""
    )
    return f", suggested {scores['suggested_label']}{probability}"


def _evidence_line(one: dict[str, Any]) -> str:
    verb = one["kind"].replace("_", " ")
    if one["kind"] == "blamed_cell":
        return f"{verb}: {one['word']} (speaks for the suggested label by {_number(one['value'])} nats)"
    if one["word"] is not None:
        return f"{verb}: {one['word']} (influence {_number(one['value'])})"
    which = "reference row" if one["other_is_reference"] else "row"
    label = f" labelled {one['other_label']}" if one["other_label"] is not None else ""
    what = "share of the vote" if one["kind"] == "outvoted_by" else "influence"
    return f"{verb}: {which} {one['other_row_id']}{label} ({what} {_number(one['value'])})"


def _decision_line(one: dict[str, Any]) -> str:
    what = one["decision"] + (f" as {one['new_label']}" if one["new_label"] is not None else "")
    note = f": {one['note']}" if one["note"] else ""
    return f"  {one['reviewed_at']:%Y-%m-%d %H:%M} {what} by {one['reviewed_by']}{note} ({one['standing']})"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:197] + "..."
