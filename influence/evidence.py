"""Evidence for a few rows: the reference rows each harms and helps most, the training rows that outvote its label."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from culpa.influence.neighbors.evidence import contradicting
from culpa.influence.rows import Rows
from culpa.influence.scoring import main_proxy, voters
from culpa.influence.training import Trained

__all__ = ["Evidence", "find_evidence"]

MOST_WITNESSES = 2_000  # reference rows looked at
NEIGHBORS = 20  # that vote on a row
BLOCK_ROWS = 64  # rows whose gradients are written out at once


@dataclass(frozen=True)
class Evidence:
    """One thing to look at beside a row."""

    kind: str  # harms_reference, helps_reference, outvoted_by
    row: int  # position of the row
    other: int  # position of the other row, among the reference rows if there are trusted ones, else among the rows
    value: float  # influence on that reference row, positive helps; or share of the neighbours' vote


def find_evidence(
    trained: Trained, rows: Rows, index: NDArray[np.int64], *, reference: Rows | None, most: int = 5
) -> list[Evidence]:
    """Up to `most` pieces of each kind for the rows at these positions, strongest first."""
    if not len(index):
        return []
    found = _influences(trained, rows, index, reference, most)
    return found + _outvoting(trained, rows, index, most)


def _influences(
    trained: Trained, rows: Rows, index: NDArray[np.int64], reference: Rows | None, most: int
) -> list[Evidence]:
    """The reference rows that each row moves most, down and up."""
    panel = np.arange(len(reference)) if reference is not None else np.flatnonzero(voters(trained, rows))
    panel = panel[:MOST_WITNESSES]
    witnesses = (rows if reference is None else reference).take(panel)
    fitted = trained.fitted[main_proxy(trained)]
    found = []
    for start in range(0, len(index), BLOCK_ROWS):
        block = index[start : start + BLOCK_ROWS]
        values = fitted.influence_between(block, witnesses)
        if reference is None:
            values = np.where(rows.groups[block][:, None] == witnesses.groups, 0.0, values)
        order = np.argsort(values, axis=1, kind="stable")
        for place, row in enumerate(block):
            harmed = [("harms_reference", j) for j in order[place, :most] if values[place, j] < 0]
            helped = [("helps_reference", j) for j in order[place, ::-1][:most] if values[place, j] > 0]
            found += [Evidence(kind, int(row), int(panel[j]), float(values[place, j])) for kind, j in harmed + helped]
    return found


def _outvoting(trained: Trained, rows: Rows, index: NDArray[np.int64], most: int) -> list[Evidence]:
    """The nearest rows in the training that bear another label."""
    others, shares = contradicting(rows, trained.keep, index, k=NEIGHBORS, most=most)
    return [
        Evidence("outvoted_by", int(row), int(other), float(share))
        for row, near, votes in zip(index, others, shares, strict=True)
        for other, share in zip(near, votes, strict=True)
        if other >= 0
    ]
