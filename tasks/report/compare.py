"""Two runs side by side: what each found and proved, which settings differ, which rows changed their tag."""

from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks.errors import BadInput
from culpa.tasks.report.figures import outcomes_of, prepare, proof, tags_of
from culpa.tasks.report.wording import between, count, decimal, share, signed, spaced
from culpa.tasks.runs import Run, find_run, records
from culpa.tasks.sql import statement
from culpa.tasks.store import connect

__all__ = ["MOST_CHANGES", "compare_runs"]

MOST_CHANGES = 20
UNKNOWN = "not measured"
EFFECT = "effect on "
Measures = dict[str, str]  # measure -> what a run says of it


def compare_runs(store: Path, one: str, other: str) -> list[dict[str, str]]:
    """A line for each measure with the columns measure, one, other; runs can be named by the beginnings of their ids.

    Settings stand there only where they differ; rows that changed their tag are counted, and the first few named.
    Errors: BadInput for no such run, and for the same run twice.
    """
    with connect(Path(store), read_only=True) as connection:
        runs = [find_run(connection, name) for name in (one, other)]
        if runs[0].run_id == runs[1].run_id:
            raise BadInput(f"{one} and {other} are the same run {runs[0].run_id}: name two; `culpa runs` lists them")
        sides = [_measures(connection, run) for run in runs]
        changes = _changes(connection, *runs)
    names = list(dict.fromkeys(name for side in sides for name in side))
    lines = [{"measure": name, "one": _said(sides[0], name), "other": _said(sides[1], name)} for name in names]
    return [*lines, *_settings(*runs), *changes]


def _said(side: Measures, name: str) -> str:
    """A run's measure; a tag that it never gave has no rows, and an effect that it lacks was not measured."""
    return side.get(name, UNKNOWN if name.startswith(EFFECT) else "0")


def _measures(connection: duckdb.DuckDBPyConnection, run: Run) -> Measures:
    prepare(connection, run)
    return {
        "run": run.run_id,
        "data set": run.dataset,
        "made at": f"{run.created_at:%Y-%m-%d %H:%M}",
        "state": run.state,
        "rows": count(run.row_count),
        **{spaced(line["tag"]): count(line["rows"]) for line in tags_of(connection)},
        **_outcomes(connection, run),
        **_gate(connection, run),
        **_proof(run),
    }


def _outcomes(connection: duckdb.DuckDBPyConnection, run: Run) -> Measures:
    outcomes = outcomes_of(connection)
    happened = "" if run.state == "published" else " (not published)"
    return {
        "dropped": count(outcomes["dropped"]) + happened,
        "relabelled": count(outcomes["relabelled"]) + happened,
        "kept after review": count(outcomes["kept_after_review"]),
    }


def _gate(connection: duckdb.DuckDBPyConnection, run: Run) -> Measures:
    """The gate's verdict and the effects of the cleaning on each metric, by the first judge."""
    own = {"run_id": run.run_id}
    gates = records(connection, "SELECT * FROM gates WHERE run_id = $run_id", own)
    effects = records(
        connection, "SELECT * FROM gate_effects WHERE run_id = $run_id AND comparison = 'cleaned less all'", own
    )
    said = {"gate": f"{'passed' if gates[0]['passed'] else 'refused'}: {gates[0]['verdict']}" if gates else UNKNOWN}
    for line in effects:
        said.setdefault(
            f"{EFFECT}{spaced(line['metric'])}", _with_interval(signed(line["effect"]), line["low"], line["high"])
        )
    for metric in ("log loss", "accuracy") if run.classes else ("rmse", "mae"):
        said.setdefault(f"{EFFECT}{metric}", UNKNOWN)
    return said


def _proof(run: Run) -> Measures:
    """What calibration, faithfulness and the run's own thresholds came to."""
    planted = proof(run, "calibration", "planted")
    removals = proof(run, "faithfulness", "spearman")
    wrong, precision, order = planted.get("wrong"), planted.get("precision"), removals.get("spearman")
    return {
        "estimated wrong labels": UNKNOWN if wrong is None else _with_interval(
            count(wrong), planted.get("wrong_low"), planted.get("wrong_high"), count),
        "precision at the threshold": UNKNOWN if precision is None else _with_interval(
            share(precision), planted.get("precision_low"), planted.get("precision_high"), share),
        "faithfulness (Spearman)": UNKNOWN if order is None else _with_interval(
            decimal(order), removals.get("spearman_low"), removals.get("spearman_high")),
        "memorization threshold": decimal((run.report or {}).get("memorization_threshold")),
        "suspicion threshold": decimal(planted.get("threshold")),
    }  # fmt: skip


def _with_interval(value: str, low: Any, high: Any, say: Any = decimal) -> str:
    ends = between(low, high, say)
    return f"{value} ({ends})" if ends else value


def _settings(one: Run, other: Run) -> list[dict[str, str]]:
    """The settings and versions that differ."""
    return [
        {"measure": f"{what} {name}", "one": str(ours.get(name)), "other": str(theirs.get(name))}
        for what, ours, theirs in (("setting", one.settings, other.settings), ("version", one.versions, other.versions))
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def _changes(connection: duckdb.DuckDBPyConnection, one: Run, other: Run) -> list[dict[str, str]]:
    """How many of the rows that both scored changed their tag, and the first of them."""
    names = {"one": one.run_id, "other": other.run_id, "most": MOST_CHANGES}
    found = records(connection, statement("report/changed_tags"), names)
    shared, changed = (found[0]["shared"], found[0]["changed"]) if found else (0, 0)
    total = {"measure": "rows in both that changed tag", "one": f"{count(changed)} of {count(shared)}", "other": ""}
    return [
        total,
        *(
            {"measure": f"row {line['row_id']}", "one": spaced(line["one"]), "other": spaced(line["other"])}
            for line in found if line["one"] != line["other"]
        ),
    ]  # fmt: skip
