"""What to write in order to take a decision back: decisions are only ever added, so undo is one more of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from culpa.tasks.errors import BadInput
from culpa.tasks.reviews.decide import Overtaken

__all__ = ["Restoring", "restore"]


@dataclass(frozen=True)
class Restoring:
    """A decision that says again what was so before."""

    decision: str
    new_label: str | None
    note: str


def restore(past: Sequence[dict[str, Any]], decision_id: int, by: str) -> Restoring:
    """What takes back decision `decision_id` of `by`; `past` are the decisions on the row's content, the newest first.

    Where there was a decision before, it is said again. Where there was none, the row is deferred: a deferred row is
    undecided, waits in the queue again, and the rule stands, all as before.

    Errors: BadInput where it is not theirs; Overtaken where somebody has decided since.
    """
    place = next((place for place, one in enumerate(past) if one["decision_id"] == decision_id), None)
    if place is None or past[place]["reviewed_by"] != by:
        raise BadInput(f"{by} has no decision {decision_id} on this row to take back")
    if place > 0:
        raise Overtaken(f"{past[0]['reviewed_by']} decided on this row after you: decide on it anew instead")
    note = f"took back {_named(past[0])}"
    if len(past) == 1:
        return Restoring("defer", None, note)
    before = past[1]
    return Restoring(before["decision"], before["new_label"], f"{note}: again as {before['reviewed_by']} had it")


def _named(decision: dict[str, Any]) -> str:
    new = f" as {decision['new_label']}" if decision["new_label"] is not None else ""
    return f"{decision['decision']}{new}"
