"""What a run did, small enough to print: the paths of what it wrote and the numbers of rows, never the rows."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from culpa.tasks.locations import Location


@dataclass(frozen=True)
class Result:
    """The outcome of flag, publish or clean; what was not written is None."""

    run_id: str
    dataset: str
    store: Path
    rows: int
    unlabelled: int
    tags: Mapping[str, int]  # rows per tag
    clean: Location | None = None
    quarantine: Location | None = None
    manifest: Location | None = None
    weights: Location | None = None
    report: Path | None = None  # the page about the run
    kept: int = 0  # rows in the clean file, the relabelled ones among them
    dropped: int = 0
    relabelled: int = 0
    verdict: str | None = None  # of the gate
    because: str | None = None  # its reason, a paragraph
    refused: str | None = None  # the same where the gate held the rule's rows back
    unchanged: bool = False  # the same rows and settings as before: nothing was scored again
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)  # per step

    def as_json(self) -> str:
        """All of it as one JSON object."""
        return json.dumps(asdict(self), default=str, indent=2)

    def as_lines(self) -> list[str]:
        """The same for a person to read."""
        lines = [f"run {self.run_id} of {self.dataset}: {_rows(self.rows)}{self._aside()}"]
        if self.unchanged:
            lines.append("  nothing changed since this run was scored: its scores and tags stand")
        if self.tags:
            lines.append("  tagged      " + ", ".join(f"{name} {count:,}" for name, count in self.tags.items()))
        if self.clean is not None:
            lines.append(f"  published   kept {self.kept:,}, dropped {self.dropped:,}, relabelled {self.relabelled:,}")
        if self.because is not None:
            lines.append(f"  gate        {self.verdict}: {self.because}")
        places = ("clean", "quarantine", "weights", "manifest", "report", "store")
        lines += [f"  {name:<11} {place}" for name in places if (place := getattr(self, name)) is not None]
        return lines

    def _aside(self) -> str:
        took = f" in {sum(self.seconds.values()):.1f} s" if self.seconds else ""
        return (f", {self.unlabelled:,} without a label" if self.unlabelled else "") + took


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
