"""Files of this machine: drafted beside their final place and renamed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from culpa.tasks.locations import Location
from culpa.tasks.outputs import Drafts, sweep
from culpa.tasks.places import Places
from culpa.tasks.publishing import manifest
from culpa.tasks.publishing.sides import Drafted


@dataclass(frozen=True)
class LocalFiles:
    """The usual sink."""

    final: Places

    @property
    def shown(self) -> Mapping[str, Location]:
        """The files themselves."""
        return {**self.final.sealed, "manifest": self.final.manifest}

    @property
    def layout(self) -> Mapping[str, Any]:
        """Nothing to say."""
        return {}

    def places(self, work: Path) -> Places:
        """Beside the final places, so that renaming is all that is left to do; drafts of the dead go first."""
        del work
        sweep(self.final.clean.parent)
        return self.final

    def holds(self, said: dict[str, Any]) -> bool:
        """By the checksums of the files."""
        return manifest.still_holds(self.final.manifest, said, self.final.sealed)

    def deliver(self, drafts: Drafts, drafted: Mapping[str, Drafted], said: dict[str, Any]) -> None:
        """Draft the manifest and rename them all."""
        sealed = manifest.seal(said, {role: (one.path, one.side) for role, one in drafted.items()})
        drafts.draft(self.final.manifest).write_text(manifest.as_text(sealed), encoding="utf-8")
        drafts.place()
