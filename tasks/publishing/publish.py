"""Publish a run: apply its tags and people's decisions, and write the cleaned data beside what was taken out.

clean + quarantine = input, by count and by checksum. The clean file has the input's schema and order, nothing added.
All files appear whole: quarantine first, the manifest last. The same run and decisions give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from culpa.tasks.errors import CulpaError
from culpa.tasks.locations import Location
from culpa.tasks.memory import limit_memory
from culpa.tasks.outputs import Drafts
from culpa.tasks.outside import attach_data, outside_data
from culpa.tasks.proving.gate import check_judged
from culpa.tasks.proving.write_gate import Gated
from culpa.tasks.publishing import manifest
from culpa.tasks.publishing.guards import Guards, check_guards
from culpa.tasks.publishing.plan import make_plan, outcomes
from culpa.tasks.publishing.sides import Drafted, Progress, write_sides
from culpa.tasks.runs import Run, find_run
from culpa.tasks.settings import Options
from culpa.tasks.sinks.choose import sink_of
from culpa.tasks.sinks.sink import Sink
from culpa.tasks.soft_weights import write_weights
from culpa.tasks.sql import literal
from culpa.tasks.store import connect, transaction
from culpa.tasks.work import borrowed


@dataclass(frozen=True)
class Published:
    """What lies where after a publish."""

    run_id: str
    clean: Location
    quarantine: Location
    manifest: Location
    weights: Location | None
    counts: dict[str, int]  # rows, clean, dropped, relabelled, kept (by a person), unlabelled
    dropped_by_tag: dict[str, int]
    decisions: dict[str, int]  # how many of each kind were applied, or deferred
    unchanged: bool  # the files already said exactly this; none was written


@dataclass(frozen=True)
class Planned:
    """One publish, settled: what the manifest says beside its seals, and what the store shall remember."""

    run: Run
    sink: Sink
    said: dict[str, Any]
    outcomes: pa.Table
    unchanged: bool


def publish(
    store: Path,
    run_id: str,
    out: Location | None = None,
    *,
    max_drop: float | None = None,
    max_drop_per_class: float | None = None,
    require_review: bool = False,
    partition_by: Sequence[str] = (),
    memory_limit: str | None = None,
    judged: Gated | None = None,
    progress: Progress | None = None,
) -> Published:
    """Write a flagged run's cleaned data to `out`, quarantine and manifest beside it, and mark the run published.

    `judged` is what the gate said, if it was asked: the plan must still be the one it judged. Guards left out are the
    run's own; `out` left out is where it was published before, else SOURCE.cleaned.parquet.
    Errors: BadInput (no such run, not flagged, unusable `out` or new label), Refused (a guard), CulpaError (full disk).
    """
    with Drafts() as drafts:
        try:
            with borrowed(Path(store), "publish") as spare, outside_data(Path(store), run_id) as outside:
                with connect(Path(store), read_only=True) as connection:
                    run = find_run(connection, run_id)
                    attach_data(connection, run, outside)
                    limit_memory(connection, memory_limit, len(run.schema))
                    connection.execute(f"SET temp_directory = {literal(str(spare / 'spilled'))}")
                    if judged is not None:
                        check_judged(connection, Path(store), run, judged)
                    guards = _guards(run, max_drop, max_drop_per_class, require_review)
                    planned = _plan(connection, run, _sink(run, out, partition_by), guards)
                    drafted = {} if planned.unchanged else _draft(connection, planned, spare, drafts, progress)
                if not planned.unchanged:  # the store is closed by now, however long it takes
                    planned.sink.deliver(drafts, drafted, planned.said)
        except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise CulpaError(f"cannot write the output: {error}; nothing was published") from error
    _remember(Path(store), planned)
    return _published(planned)


def _sink(run: Run, out: Location | None, partition_by: Sequence[str]) -> Sink:
    return sink_of(run, out, weights=bool(run.settings.get("weights", False)), partition_by=tuple(partition_by))


def _guards(run: Run, max_drop: float | None, max_drop_per_class: float | None, require_review: bool) -> Guards:
    """What is asked for now, else what the run was made with, else the settings' defaults."""
    asked = {"max_drop": max_drop, "max_drop_per_class": max_drop_per_class}
    known = {name: run.settings.get(name, Options.model_fields[name].default) for name in asked}
    shares = {name: float(known[name] if value is None else value) for name, value in asked.items()}
    return Guards(shares["max_drop"], shares["max_drop_per_class"], require_review)


def _plan(connection: duckdb.DuckDBPyConnection, run: Run, sink: Sink, guards: Guards) -> Planned:
    make_plan(connection, run)
    check_guards(connection, run, guards)
    said = {**manifest.describe(connection, run, guards, sink.shown["clean"]), **sink.layout}
    return Planned(run, sink, said, outcomes(connection), sink.holds(said))


def _draft(
    connection: duckdb.DuckDBPyConnection, planned: Planned, work: Path, drafts: Drafts, progress: Progress | None
) -> dict[str, Drafted]:
    places = planned.sink.places(work)
    drafted = write_sides(connection, planned.run, places, drafts, progress)
    if places.weights is not None:
        drafted["weights"] = write_weights(connection, planned.run, places.weights, drafts)
    return drafted


def _remember(store: Path, planned: Planned) -> None:
    """Mark the run published and keep what became of its rows; nothing to do when the store says so already."""
    clean = planned.sink.shown["clean"]
    out = str(clean.absolute() if isinstance(clean, Path) else clean)
    if planned.unchanged and planned.run.state == "published" and planned.run.out == out:
        return
    try:
        with transaction(store) as connection:
            _write_outcomes(connection, planned, out)
    except duckdb.Error as error:
        raise CulpaError(
            f"the files are written, but the store {store} cannot remember it: {error}; publish the run again"
        ) from error


def _write_outcomes(connection: duckdb.DuckDBPyConnection, planned: Planned, out: str) -> None:
    run_id, now = planned.run.run_id, datetime.now(UTC).replace(tzinfo=None)
    connection.register("new_outcomes", planned.outcomes)
    connection.execute("DELETE FROM outcomes WHERE run_id = ?", [run_id])
    connection.execute(
        "INSERT INTO outcomes SELECT ?, row_id, outcome, decision_id, reason FROM new_outcomes", [run_id]
    )
    connection.execute(
        "UPDATE runs SET state = 'published', published_at = ?, out = ? WHERE run_id = ?", [now, out, run_id]
    )


def _published(planned: Planned) -> Published:
    counts, run, shown = planned.said["counts"], planned.run, planned.sink.shown
    fates = {fate: counts["outcomes"].get(fate, 0) for fate in ("dropped", "relabelled", "kept")}
    return Published(
        run_id=run.run_id,
        clean=shown["clean"],
        quarantine=shown["quarantine"],
        manifest=shown["manifest"],
        weights=shown.get("weights"),
        counts={
            "rows": run.row_count,
            "clean": run.row_count - fates["dropped"],
            **fates,
            "unlabelled": run.unlabelled_count,
        },
        dropped_by_tag=counts["dropped_by_tag"],
        decisions=counts["decisions"],
        unchanged=planned.unchanged,
    )
