"""Refuses paths that get in each other's way, before any work: the output is not the input, the store is neither."""

import fnmatch
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from culpa.tasks.delta import delta_table
from culpa.tasks.errors import BadInput
from culpa.tasks.files import find_files
from culpa.tasks.formats import ending
from culpa.tasks.locations import Location, check_writable, is_postgres, is_url, last_name
from culpa.tasks.sinks.apart import check_apart
from culpa.tasks.sinks.folders import check_folder, is_folder

if TYPE_CHECKING:
    from culpa.tasks.settings import Settings


def check_paths(settings: "Settings") -> None:
    """Refuse a missing input, and a store or an output given that would overwrite it."""
    inputs = _inputs(settings)
    for what, path in inputs:
        if _same(path, settings.store):
            raise BadInput(f"the store {settings.store} is the {what} itself: name another file with --store")
    if settings.out is not None:
        check_output(settings, settings.out)


def check_output(settings: "Settings", out: Location) -> None:
    """Refuse an output that cannot be written, or that would overwrite the input, the trusted file or the store."""
    if is_url(out):
        check_writable(out)
        check_apart(out, "input", settings.source, settings.table)
        for reference in settings.references.values():
            check_apart(out, "reference file", reference)
        _check_there(out)
        return
    out = Path(out)
    if folder := is_folder(out, settings.partition_by):
        check_folder(out)
    else:
        ending(out)
    if out.is_dir() and not folder:
        raise BadInput(f"cannot write {out}: it is a folder; name a file in it with --out")
    if not out.parent.is_dir():
        raise BadInput(f"cannot write {out}: the folder {out.parent} does not exist; create it or name another --out")
    if not os.access(out.parent, os.W_OK) or (out.exists() and not os.access(out, os.W_OK)):
        raise BadInput(f"cannot write {out}: no permission; name another file with --out")
    for what, path in [*_inputs(settings), ("store", settings.store)]:
        if _same(path, out) or (folder and out.resolve() in path.resolve().parents):
            raise BadInput(f"the output {out} is the {what} itself: name another file with --out")
    if _would_be_read(settings, out):
        raise BadInput(
            f"the output {out} would be read as input the next time, for {settings.source} finds it: put it "
            "elsewhere with --out"
        )


def _check_there(out: str) -> None:
    """Find out before the work whether there is somebody to take its result."""
    if is_postgres(out):
        from culpa.tasks.sinks.postgres import check_database

        check_database(out)
    else:
        from culpa.tasks.sinks.urls import check_store

        ending(PurePosixPath(last_name(out)))
        check_store(out)


def _inputs(settings: "Settings") -> list[tuple[str, Path]]:
    """The files of this machine that are read."""
    named = [("input", settings.source), *(("reference file", path) for path in settings.references.values())]
    here = [(what, path) for what, path in named if isinstance(path, str | Path) and not is_url(path)]
    return [(what, file) for what, path in here for file in _files(path)]


def _files(path: str | Path) -> list[Path]:
    """The files that stand for a source; of a Delta table every one, whatever its version."""
    named = delta_table(path)
    return find_files(path) if named is None else sorted(file for file in named[0].rglob("*") if file.is_file())


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))


def _would_be_read(settings: "Settings", out: Path) -> bool:
    if not isinstance(settings.source, str | Path) or is_url(settings.source):
        return False
    source = Path(settings.source)
    if source.is_dir():
        return source.resolve() in out.resolve().parents
    return not source.exists() and fnmatch.fnmatch(str(out.absolute()), str(source.absolute()))
