"""What the full run says that holds for its batches as well: they do not check again what was checked on all rows."""

from typing import Any

__all__ = ["told_of_batch"]


def told_of_batch(whole: dict[str, Any], onto: str) -> dict[str, Any]:
    """What a batch's report takes over from that of its full run `onto`."""
    why = {"skipped": f"a batch is not checked by itself: see the full run {onto}"}
    checked = {name: {**why, **_faithful(whole.get(name))} for name in ("calibration", "self_test", "faithfulness")}
    threshold = whole.get("memorization_threshold")
    return {"onto": onto, **checked, **({} if threshold is None else {"memorization_threshold": threshold})}


def _faithful(found: object) -> dict[str, Any]:
    """Whether training again bore out the influence: the rule goes by it."""
    return {"faithful": found["faithful"]} if isinstance(found, dict) and "faithful" in found else {}
