"""Where the files of a publish go: the clean data, what was taken out, weights if asked for, and the manifest."""

from dataclasses import dataclass
from pathlib import Path

from culpa.tasks.errors import BadInput
from culpa.tasks.formats import check_can_hold, ending
from culpa.tasks.runs import Run


@dataclass(frozen=True)
class Places:
    """The files of one publish, all in one folder."""

    clean: Path
    quarantine: Path
    manifest: Path
    weights: Path | None = None  # None: not asked for

    @property
    def sealed(self) -> dict[str, Path]:
        """The files that the manifest seals, by their role."""
        files = {"clean": self.clean, "quarantine": self.quarantine}
        return files if self.weights is None else {**files, "weights": self.weights}


def places_of(run: Run, clean: Path, *, weights: bool) -> Places:
    """`cleaned.csv.gz` -> itself, `cleaned.quarantine.parquet`, `cleaned.manifest.json`; BadInput if they cannot be."""
    places = named_after(clean, run, weights=weights)
    _check_place(clean, run)
    return places


def named_after(clean: Path, run: Run, *, weights: bool) -> Places:
    """The same, wherever they lie; BadInput if the format is not known or cannot hold the run's columns."""
    stem = clean.name[: -len(ending(clean))]
    check_can_hold(clean, run.schema)
    quarantine, manifest, weighed = (
        clean.with_name(f"{stem}.{end}") for end in ("quarantine.parquet", "manifest.json", "weights.parquet")
    )
    return Places(clean, quarantine, manifest, weighed if weights else None)


def beside(source: str) -> Path:
    """Where the cleaned file goes if no place is named; BadInput if the source is no file of this machine."""
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
