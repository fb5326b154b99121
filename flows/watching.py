"""One pass over a watched folder: notice what is new and settled, tell of it, and clean file by file.

It takes what cleans a file and what tells of one as arguments, as the story takes its steps: plain functions, or a flow
and Prefect's events. A bad file is noted with its error and does not stop the others; what failed for another reason
is tried again at the next pass. A pass that was killed is made good by the next.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from culpa.flows.progress import tell
from culpa.flows.result import Result
from culpa.tasks import arrivals
from culpa.tasks import store as stores
from culpa.tasks.arrivals import Arrival
from culpa.tasks.errors import BadInput, CulpaError, Refused
from culpa.tasks.settings import Settings, read_settings

__all__ = ["Watch", "Watched", "check_none_failed", "read_watch", "watch_folder"]


@dataclass(frozen=True)
class Watch:
    """What to watch, and how to clean what arrives: `settings` are those of every file, with the folder as source."""

    folder: Path
    settings: Settings
    settle: float  # seconds between two looks at which a file must be the same
    out_folder: Path
    only_notice: bool  # leave the cleaning to whoever hears of the file

    def settings_of(self, arrival: Arrival) -> Settings:
        """How to clean one file into the folder of outputs: as a batch, or as a data set of its own."""
        within = Path(arrival.file)
        name = re.sub(r"\W+", "_", str(within.with_name(_name(within)))).strip("_") or "table"
        change = {"source": str(arrival.path), "out": self.out_of(arrival)}
        named = self.settings.dataset or self.settings.onto
        return self.settings.model_copy(update=change if named else {**change, "dataset": name})

    def out_of(self, arrival: Arrival) -> Path:
        """Where the cleaned file of an arrival goes."""
        within = Path(arrival.file)
        return self.out_folder / within.with_name(f"{_name(within)}.cleaned.parquet")

    @property
    def options(self) -> str:
        """A hash of what the files are cleaned with: a file that was refused is tried again when it changes."""
        chosen = self.settings.model_dump_json(exclude={"source", "notify"}, exclude_defaults=True)
        return sha256(chosen.encode()).hexdigest()

    def payload_of(self, arrival: Arrival) -> dict[str, Any]:
        """What is told of an arrival: enough to clean it elsewhere."""
        settings = self.settings_of(arrival)
        return {
            "path": str(arrival.path),
            "folder": arrival.folder,
            "file": arrival.file,
            "bytes": arrival.bytes,
            "modified_at": arrival.modified_at.isoformat(),
            "checksum": arrival.checksum,
            "dataset": settings.dataset_name,
            "out": str(settings.out),
            "store": str(settings.store.absolute()),
        }


@dataclass(frozen=True)
class Watched:
    """What one pass did."""

    folder: Path
    noticed: tuple[str, ...] = ()  # files, by their path within the folder
    cleaned: tuple[Result, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)  # file -> the file of the same content, taken in before
    bad: Mapping[str, str] = field(default_factory=dict)  # file -> why it cannot be taken in
    failed: Mapping[str, str] = field(default_factory=dict)  # file -> what went wrong; tried again
    unusable: Mapping[str, str] = field(default_factory=dict)  # file -> why it cannot even be noted
    refused: int = 0  # files that cannot be taken in as they are, those that were bad at earlier passes among them

    def as_json(self) -> str:
        """All of it as one JSON object."""
        return json.dumps(asdict(self), default=str, indent=2)

    def as_lines(self) -> list[str]:
        """The same for a person to read; only the folder's line where nothing happened."""
        lines = [f"watched {self.folder}: {len(self.noticed)} new, {len(self.cleaned)} cleaned"]
        lines += [f"  {file}: noticed" for file in self.noticed]
        lines += [f"  {file}: the same rows as {other}, taken in before" for file, other in self.known.items()]
        lines += [f"  warning: {file} is left out: {why}" for file, why in self.unusable.items()]
        if self.refused:
            lines.append(
                f"  {self.refused} refused until they or the options change; why: "
                "SELECT file, error FROM arrivals WHERE error IS NOT NULL"
            )
        return lines + [line for result in self.cleaned for line in result.as_lines()]


def read_watch(
    folder: str | Path,
    *,
    settle: float = 10.0,
    out_folder: Path | None = None,
    only_notice: bool = False,
    **options: Any,
) -> Watch:
    """A Watch from what a user gave, or BadInput."""
    place = Path(folder).resolve()  # a link to it is the same folder, whose files are cleaned once
    settings = read_settings(str(place), **options)
    out = Path(out_folder).absolute() if out_folder else place.with_name(f"{place.name}.cleaned")
    if settle < 0:
        raise BadInput(f"settle must be at least 0 seconds, got {settle}")
    if settings.out is not None:
        raise BadInput("a watched folder has many cleaned files: name their folder with --out-folder, not --out")
    if out.resolve().is_relative_to(place):
        raise BadInput(f"the cleaned files in {out} would be noticed as new ones of {place}: name another --out-folder")
    return Watch(place, settings, settle, out, only_notice)


def watch_folder(
    watch: Watch, clean: Callable[[Settings], Result], announce: Callable[[Watch, Arrival], None]
) -> Watched:
    """Notice what is new, announce it, and clean what waits."""
    store, settings = watch.settings.store, watch.settings
    stores.create(store)
    leave_out = [path for path in (*settings.references.values(), store) if isinstance(path, Path)]
    found, unusable = arrivals.new_arrivals(store, watch.folder, watch.settle, leave_out)
    for arrival in found:  # before it is noted: whoever dies in between announces it again, under the same name
        watch.out_of(arrival).parent.mkdir(parents=True, exist_ok=True)
        announce(watch, arrival)
    noted = arrivals.note(store, found)
    noticed = tuple(arrival.file for arrival in noted)
    if watch.only_notice:
        return Watched(watch.folder, noticed, unusable=unusable)
    watched = Watched(watch.folder, noticed, *_clean_each(watch, clean), unusable=unusable)
    return replace(watched, refused=len(arrivals.refused(store, watch.folder, watch.options)))


def check_none_failed(watched: Watched) -> Watched:
    """The same, or CulpaError where files failed that were not bad: whoever schedules the pass must hear of it."""
    if watched.failed:
        raise CulpaError(
            "; ".join(f"{file}: {what}" for file, what in watched.failed.items()) + "; tried again next time"
        )
    return watched


Outcome = tuple[tuple[Result, ...], dict[str, str], dict[str, str], dict[str, str]]


def _clean_each(watch: Watch, clean: Callable[[Settings], Result]) -> Outcome:
    """Clean every file that waits: the results, then files known by another name, bad ones, and failed ones."""
    store, results = watch.settings.store, []
    known, bad, failed = dict[str, str](), dict[str, str](), dict[str, str]()
    for arrival in arrivals.waiting(store, watch.folder, watch.options):
        tell(arrival.file, 0.0)
        try:
            other = arrivals.twin(store, arrival)
            if other is not None and other.run_id is not None:
                known[arrival.file], run_id = other.file, other.run_id
            else:
                results.append(_clean_one(watch, arrival, clean))
                run_id = results[-1].run_id
            arrivals.take_in(store, arrival, run_id)
        except (BadInput, Refused) as error:
            bad[arrival.file] = str(error)
            arrivals.refuse(store, arrival, str(error), watch.options)
        except Exception as error:
            failed[arrival.file] = str(error) if isinstance(error, CulpaError) else f"{type(error).__name__}: {error}"
    return tuple(results), known, bad, failed


def _clean_one(watch: Watch, arrival: Arrival, clean: Callable[[Settings], Result]) -> Result:
    settings = watch.settings_of(arrival)
    others = {watch.out_of(other): other for other in arrivals.taken_in(settings.store, watch.folder)}
    other = others.get(watch.out_of(arrival))
    if other is not None and other.file != arrival.file:
        raise BadInput(f"its cleaned file {settings.out} is that of {other.file}: give it another name")
    watch.out_of(arrival).parent.mkdir(parents=True, exist_ok=True)  # it may be gone since the file was noticed
    return clean(settings)


def _name(within: Path) -> str:
    """`a.csv.gz` -> `a`."""
    return Path(within.name.removesuffix(".gz").removesuffix(".zst")).stem
