"""The story, told once: ingest, train, score, check, tag, gate, publish, report.

It takes its steps as an argument and runs them in order: plain functions for cron and Airflow, the same functions as
Prefect tasks inside a flow. Paths and ids pass between the steps, never arrays.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from culpa.flows.notify import told
from culpa.flows.progress import tell
from culpa.flows.result import Result
from culpa.tasks import work
from culpa.tasks.locations import Location
from culpa.tasks.report import reports_folder
from culpa.tasks.settings import Settings
from culpa.tasks.summary import summarize

if TYPE_CHECKING:
    from culpa.tasks.ingest import Ingested
    from culpa.tasks.proving.write_gate import Gated
    from culpa.tasks.publishing.publish import Published
    from culpa.tasks.tag import TagSummary

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Steps:
    """The steps, each a plain function or a task around it."""

    ingest: "Callable[..., Ingested]"
    train: Callable[..., Path]
    score: Callable[..., Path]
    check: Callable[..., Path]
    tag: "Callable[..., TagSummary]"
    gate: "Callable[..., Gated]"
    publish: "Callable[..., Published]"
    report: Callable[..., Path]


def flag_table(settings: Settings, steps: Steps) -> Result:
    """Everything up to the tags; a run that was flagged before is left as it is."""
    with _flagged(settings, steps) as (flagged, _):
        return told(_reported(flagged, steps) if settings.report else flagged, settings.notify)


def clean_table(settings: Settings, steps: Steps) -> Result:
    """Flag, then publish what the gate lets through."""
    named = {"max_drop", "max_drop_per_class", "require_review", "partition_by", "memory_limit"}
    guards = settings.model_dump(include=named)
    settings = settings.model_copy(update={"out": settings.out_path})  # so that ingest can refuse it before the work
    with _flagged(settings, steps) as (flagged, folder):
        published = publish_run(flagged, steps, settings.out, folder=folder, report=settings.report, **guards)
        return told(published, settings.notify)


def publish_run(
    flagged: Result,
    steps: Steps,
    out: Location | None,
    *,
    gate: str | None = None,
    folder: Path | None = None,
    report: bool = True,
    **guards: Any,
) -> Result:
    """Ask the gate, apply tags and people's decisions of a flagged run, and write its files."""
    seconds = dict(flagged.seconds)
    asked: dict[str, Any] = {"gate": gate, "folder": folder, "progress": tell}
    gated = _timed(seconds, "gate", steps.gate, flagged.store, flagged.run_id, **asked)
    asked = {"judged": gated, "progress": tell, **guards}
    published = _timed(seconds, "publish", steps.publish, flagged.store, flagged.run_id, out, **asked)
    result = replace(
        flagged,
        clean=published.clean,
        quarantine=published.quarantine,
        manifest=published.manifest,
        weights=published.weights,
        kept=published.counts["clean"],
        dropped=published.counts["dropped"],
        relabelled=published.counts["relabelled"],
        unchanged=flagged.unchanged and published.unchanged,
        verdict=gated.verdict,
        refused=None if gated.passed else gated.reason,
        because=gated.reason,
        seconds=seconds,
    )
    return _reported(result, steps) if report else result


@contextmanager
def _flagged(settings: Settings, steps: Steps) -> Iterator[tuple[Result, Path | None]]:
    """The flagged run and its work folder, which lasts as long as the block; no folder where nothing was to do."""
    seconds: dict[str, float] = {}
    ingested = _timed(seconds, "ingest", steps.ingest, settings)
    folder = None
    try:
        if not ingested.unchanged:
            folder = _timed(seconds, "train", steps.train, ingested, settings, progress=tell)
            _timed(seconds, "score", steps.score, ingested, folder, settings, progress=tell)
            if settings.calibrate or settings.faithfulness:
                _timed(seconds, "check", steps.check, ingested, folder, settings, progress=tell)
            _timed(seconds, "tag", steps.tag, ingested, folder, settings)
        summary = summarize(settings.store, ingested.run_id)
        notes, unchanged = tuple(ingested.notes), ingested.unchanged
        yield Result(**vars(summary), store=settings.store, notes=notes, unchanged=unchanged, seconds=seconds), folder
    finally:
        work.remove(settings.store, ingested.run_id)


def _reported(result: Result, steps: Steps) -> Result:
    """The result with a page about the run; where nothing changed, the page that lies there."""
    page, seconds = reports_folder(result.store) / f"{result.run_id}.html", dict(result.seconds)
    if result.unchanged and page.is_file():
        return replace(result, report=page)
    page = _timed(seconds, "report", steps.report, result.store, result.run_id)
    return replace(result, report=page, seconds=seconds)


def earlier_run(store: Path, run: str) -> Result:
    """A run that was flagged before, to be published now."""
    return Result(**vars(summarize(store, run)), store=store, unchanged=True)


def _timed(seconds: dict[str, float], step: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do one step, tell where it stands, and note what it took."""
    tell(step, 0.0)
    start = time.perf_counter()
    done = work(*args, **kwargs)
    seconds[step] = round(time.perf_counter() - start, 3)
    tell(step, 1.0)
    return done
