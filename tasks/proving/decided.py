"""What people decided, and what the rule proposes, on rows of the work folder: positions and masks instead of ids."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.rows import Rows
from culpa.tasks.errors import BadInput

__all__ = ["order_of", "peoples"]

Lines = Sequence[dict[str, Any]]  # tasks/proving/proposed.sql


def peoples(lines: Lines, classes: Sequence[str], rows: Rows, row_ids: NDArray[Any]) -> dict[str, Any]:
    """Rows that people dropped, labels as people mended them, and rows that are reference rows themselves.

    Named as the fields of a Trial.
    """
    place, here = _places(lines, row_ids)
    labels = rows.labels.copy()
    for line in here:
        if line["new_label"] is not None:
            labels[place[line["row_id"]]] = _code(line, classes)
    return {
        "decided": _mask(here, place, "dropped", len(rows)),
        "labels": labels,
        "absent": _mask(here, place, "is_reference", len(rows)),
    }


def order_of(lines: Lines, row_ids: NDArray[Any]) -> NDArray[np.int64]:
    """Positions of the rows that the rule proposes to drop, the surest first."""
    place, here = _places(lines, row_ids)
    return np.array([place[line["row_id"]] for line in here if line["proposed"]], dtype=np.int64)


def _places(lines: Lines, row_ids: NDArray[Any]) -> tuple[dict[str, int], list[dict[str, Any]]]:
    place = {row: position for position, row in enumerate(row_ids)}
    return place, [line for line in lines if line["row_id"] in place]


def _mask(lines: Lines, place: dict[str, int], column: str, rows: int) -> NDArray[np.bool_]:
    found = np.zeros(rows, np.bool_)
    found[[place[line["row_id"]] for line in lines if line[column]]] = True
    return found


def _code(line: dict[str, Any], classes: Sequence[str]) -> float:
    label = line["new_label"]
    try:
        return classes.index(label) if classes else float(label)
    except ValueError:
        needed = f"one of {', '.join(classes[:20])}" if classes else "a number"
        raise BadInput(
            f"row {line['row_id']} is relabelled as {label!r}, needed {needed}: decide it again, nothing was judged"
        ) from None
