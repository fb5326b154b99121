"""What ingest noticed: notes (how the data was read) and warnings (what looks wrong with it)."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Remark:
    """One thing noticed, with the number of rows or columns that it concerns."""

    level: Literal["note", "warning"]
    issue: str  # a word to count and search by, such as label_in_disguise
    message: str
    count: int


def note(issue: str, message: str, count: int = 1) -> Remark:
    """How the data was read."""
    return Remark("note", issue, message, count)


def warning(issue: str, message: str, count: int = 1) -> Remark:
    """What looks wrong with the data."""
    return Remark("warning", issue, message, count)


def as_json(remarks: Iterable[Remark]) -> str:
    """The remarks as the store keeps them."""
    return json.dumps([asdict(remark) for remark in remarks])


def messages(remarks: Iterable[Remark], level: Literal["note", "warning"]) -> tuple[str, ...]:
    """The messages of one level, in order."""
    return tuple(remark.message for remark in remarks if remark.level == level)
