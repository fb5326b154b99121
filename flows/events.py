"""The events that tell other flows, and automations of anybody's, what happened: each with what they need to act.

`culpa.file.arrived`: a watched folder holds a new file; `culpa.flagged`: a run was scored and tagged;
`culpa.review.waiting`: rows of it wait for people; `culpa.cleaned`: a cleaned file was written. A resource is
`culpa.dataset.NAME`.
"""

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from prefect.events import emit_event

from culpa.flows.result import Result

if TYPE_CHECKING:
    from culpa.flows.notify import Waiting
    from culpa.flows.watching import Watch
    from culpa.tasks.arrivals import Arrival

__all__ = ["ARRIVED", "CLEANED", "FLAGGED", "WAITING", "cleaned", "file_arrived", "flagged"]

ARRIVED, FLAGGED = "culpa.file.arrived", "culpa.flagged"
WAITING, CLEANED = "culpa.review.waiting", "culpa.cleaned"


def file_arrived(watch: "Watch", arrival: "Arrival") -> None:
    """Tell of a new file, and wait until it is told. The same arrival has the same id, so that it counts once."""
    payload = watch.payload_of(arrival)
    what = f"{arrival.path.as_uri()}#{arrival.checksum}@{arrival.modified_at.isoformat()}"
    _emit(ARRIVED, payload["dataset"], payload, id=uuid5(NAMESPACE_URL, what))
    _wait_until_told()


def cleaned(result: Result, source: str) -> None:
    """Tell of a cleaned file: run, counts and paths."""
    counts = {name: getattr(result, name) for name in ("rows", "kept", "dropped", "relabelled")}
    paths = {name: getattr(result, name) for name in ("clean", "quarantine", "manifest", "report")}
    places = {name: None if path is None else str(path.absolute()) for name, path in paths.items()}
    about = {"source": source, "run": result.run_id, "dataset": result.dataset, "store": str(result.store.absolute())}
    _emit(CLEANED, result.dataset, {**about, **counts, **places, "verdict": result.verdict})


def flagged(waiting: "Waiting") -> None:
    """Tell of a flagged run, and, by an event of its own, that rows of it wait for people."""
    _emit(FLAGGED, waiting.dataset, waiting.as_message())
    if waiting.waiting:
        _emit(WAITING, waiting.dataset, waiting.as_message())


def _emit(event: str, dataset: str, payload: dict[str, Any], **more: Any) -> None:
    resource = {"prefect.resource.id": f"culpa.dataset.{dataset}", "prefect.resource.name": dataset}
    emit_event(event, resource=resource, payload=payload, **more)


def _wait_until_told() -> None:
    from prefect.events.worker import EventsWorker, should_emit_events

    if should_emit_events():
        EventsWorker.instance().wait_until_empty()
