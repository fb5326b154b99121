"""The promise of a place that cleaned data can go to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from culpa.tasks.locations import Location
from culpa.tasks.outputs import Drafts
from culpa.tasks.places import Places
from culpa.tasks.publishing.sides import Drafted


class Sink(Protocol):
    """Takes complete drafts of both sides, and lets them appear with their manifest: whole and together."""

    @property
    def shown(self) -> Mapping[str, Location]:
        """Where a person finds each part: clean, quarantine, manifest, and weights if they were asked for."""
        ...

    @property
    def layout(self) -> Mapping[str, Any]:
        """What the manifest says of how the rows lie there, beside what it says of every run."""
        ...

    def places(self, work: Path) -> Places:
        """The files to draft, in `work` where they are to be taken elsewhere."""
        ...

    def holds(self, said: dict[str, Any]) -> bool:
        """Whether what lies there is what delivering again would leave; `said` is the manifest without its seals."""
        ...

    def deliver(self, drafts: Drafts, drafted: Mapping[str, Drafted], said: dict[str, Any]) -> None:
        """Let the drafts appear, the manifest last. Errors: OSError and CulpaError; then no manifest seals anything."""
        ...
