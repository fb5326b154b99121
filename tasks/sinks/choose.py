"""Which sink a place asks for, told by what it is called."""

from pathlib import Path

from culpa.tasks.errors import BadInput
from culpa.tasks.locations import Location, as_location, check_writable, is_postgres, is_url
from culpa.tasks.places import beside, places_of
from culpa.tasks.runs import Run
from culpa.tasks.sinks.local import LocalFiles
from culpa.tasks.sinks.sink import Sink

__all__ = ["sink_of"]


def sink_of(run: Run, out: Location | None, *, weights: bool) -> Sink:
    """Where a run is published to; BadInput if it cannot be.

    Without `out` it is where the run was published before, else SOURCE.cleaned.parquet beside the source.
    """
    place = as_location(out or run.out or beside(run.source))
    if is_url(place):
        if place == run.source:
            raise BadInput(f"cannot write {place}: it is the input itself; name another with --out")
        check_writable(place)
        if is_postgres(place):
            from culpa.tasks.sinks.postgres import PostgresTables

            return PostgresTables(place, run, weights)
        from culpa.tasks.sinks.urls import FilesAtUrl

        return FilesAtUrl(place, run, weights)
    return LocalFiles(places_of(run, Path(place), weights=weights))
