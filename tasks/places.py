"""Where the three files of a publish go: the clean data, what was taken out, and the manifest that seals both."""

from dataclasses import dataclass
from pathlib import Path

from culpa.tasks.errors import BadInput
from culpa.tasks.formats import check_can_hold, ending
from culpa.tasks.runs import Run


@dataclass(frozen=True)
class Places:
    """The three files of one publish, all in one folder."""

    clean: Path
    quarantine: Path
    manifest: Path


def places_of(run: Run, out: Path | None) -> Places:
    """`cleaned.csv.gz` -> itself, `cleaned.quarantine.parquet`, `cleaned.manifest.json`; BadInput if they cannot be.

    Without `out` it is where the run was published before, else SOURCE.cleaned.parquet beside the source.
    """
    clean = Path(out or run.out or _beside(run.source))
    stem = clean.name[: -len(ending(clean))]
    _check_place(clean, run)
    check_can_hold(clean, run.schema)
    return Places(clean, clean.with_name(f"{stem}.quarantine.parquet"), clean.with_name(f"{stem}.manifest.json"))


def _beside(source: str) -> Path:
    path = Path(source)
    if not path.is_file():
        raise BadInput(f"no place to write to follows from the source {source}: name one with --out")
    return path.with_name(f"{path.name.split('.')[0]}.cleaned.parquet")


def _check_place(clean: Path, run: Run) -> None:
    if not clean.parent.is_dir():
        raise BadInput(
            f"cannot write {clean}: the folder {clean.parent} does not exist; create it or name another --out"
        )
    if clean.is_dir():
        raise BadInput(f"cannot write {clean}: it is a folder; name a file in it with --out")
    if clean.resolve() == Path(run.source).resolve():
        raise BadInput(f"cannot write {clean}: it is the input itself; name another file with --out")
