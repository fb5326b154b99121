"""The story, told once: ingest, train, score, tag, publish.

It takes its steps as an argument and runs them in order: plain functions for cron and Airflow, the same functions as
Prefect tasks inside a flow. Paths and ids pass between the steps, never arrays.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from culpa.flows.progress import tell
from culpa.flows.result import Result
from culpa.tasks import work
from culpa.tasks.settings import Settings
from culpa.tasks.summary import summarize

if TYPE_CHECKING:
    from culpa.tasks.ingest import Ingested
    from culpa.tasks.publish import Published
    from culpa.tasks.tag import TagSummary

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Steps:
    """The five steps, each a plain function or a task around it."""

    ingest: "Callable[..., Ingested]"
    train: Callable[..., Path]
    score: Callable[..., Path]
    tag: "Callable[..., TagSummary]"
    publish: "Callable[..., Published]"


def flag_table(settings: Settings, steps: Steps) -> Result:
    """Everything up to the tags; a run that was flagged before is left as it is."""
    seconds: dict[str, float] = {}
    ingested = _timed(seconds, "ingest", steps.ingest, settings)
    if not ingested.unchanged:
        try:
            trained = _timed(seconds, "train", steps.train, ingested, settings, progress=tell)
            scored = _timed(seconds, "score", steps.score, ingested, trained, settings, progress=tell)
            _timed(seconds, "tag", steps.tag, ingested, scored, settings)
        finally:
            work.remove(settings.store, ingested.run_id)
    summary = summarize(settings.store, ingested.run_id)
    notes, unchanged = tuple(ingested.notes), ingested.unchanged
    return Result(**vars(summary), store=settings.store, notes=notes, unchanged=unchanged, seconds=seconds)


def publish_run(flagged: Result, steps: Steps, out: Path | None, **guards: Any) -> Result:
    """Apply the tags and people's decisions of a flagged run, and write its three files."""
    seconds = dict(flagged.seconds)
    published = _timed(seconds, "publish", steps.publish, flagged.store, flagged.run_id, out, progress=tell, **guards)
    return replace(
        flagged,
        clean=published.clean,
        quarantine=published.quarantine,
        manifest=published.manifest,
        weights=published.weights,
        kept=published.counts["clean"],
        dropped=published.counts["dropped"],
        relabelled=published.counts["relabelled"],
        unchanged=flagged.unchanged and published.unchanged,
        seconds=seconds,
    )


def clean_table(settings: Settings, steps: Steps) -> Result:
    """Flag, then publish."""
    guards = settings.model_dump(include={"max_drop", "max_drop_per_class", "memory_limit"})
    settings = settings.model_copy(update={"out": settings.out_path})  # so that ingest can refuse it before the work
    return publish_run(flag_table(settings, steps), steps, settings.out, **guards)


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
