"""Which sink a place asks for, told by what it is called."""

from pathlib import Path

from culpa.tasks.errors import BadInput
from culpa.tasks.locations import Location, as_location, check_writable, is_postgres, is_url
from culpa.tasks.outputs import sweep
from culpa.tasks.places import beside, places_of
from culpa.tasks.runs import Run
from culpa.tasks.sinks.apart import check_apart
from culpa.tasks.sinks.folders import DELTA, layout_before
from culpa.tasks.sinks.local import LocalFiles
from culpa.tasks.sinks.sink import Sink

__all__ = ["sink_of"]


def sink_of(run: Run, out: Location | None, *, weights: bool, partition_by: tuple[str, ...] = ()) -> Sink:
    """Where a run is published to; BadInput if it cannot be.

    Without `out` it is where the run was published before, else SOURCE.cleaned.parquet beside the source. A folder that
    was partitioned is partitioned by the same columns again.
    """
    place = as_location(out or run.out or beside(run.source))
    if is_url(place):
        return _at_url(place, run, weights, partition_by)
    path = Path(place)
    if path.parent.is_dir():
        sweep(path.parent)  # a folder that a killed publish moved aside says how it is laid out
    if path.suffix == DELTA:
        from culpa.tasks.sinks.delta import DeltaFolder

        return DeltaFolder(path, run, partition_by or layout_before(path), weights)
    if columns := partition_by or layout_before(path):
        from culpa.tasks.sinks.partitioned import PartitionedFolder

        return PartitionedFolder(path, run, columns, weights)
    return LocalFiles(places_of(run, path, weights=weights))


def _at_url(url: str, run: Run, weights: bool, partition_by: tuple[str, ...]) -> Sink:
    check_writable(url)
    if partition_by:
        raise BadInput(f"--partition-by is for a folder of this machine, and --out is {url}: leave it away")
    check_apart(url, "input", run.source)
    if is_postgres(url):
        from culpa.tasks.sinks.postgres import PostgresTables

        return PostgresTables(url, run, weights)
    from culpa.tasks.sinks.urls import FilesAtUrl

    return FilesAtUrl(url, run, weights)
