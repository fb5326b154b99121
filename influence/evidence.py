"""Evidence for a few rows: the reference rows each harms and helps most, the training rows that outvote its label, the
columns whose cells speak for another label, and, of a proxy that reads, the words to blame.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from culpa.influence.linear.proxy import FittedLinear
from culpa.influence.neighbors.evidence import contradicting
from culpa.influence.proxy import Reader
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

    kind: str  # harms_reference, helps_reference, outvoted_by, blamed_cell, blamed_word
    row: int  # position of the row
    other: int
    """Position of the other row, among the reference rows if there are trusted ones, else among the rows; or the number
    of the column, or the word's token."""
    value: float
    """Influence on that reference row, or through that word, positive helps; or share of the neighbours' vote; or nats
    by which the cell moves the odds from the given label to the suggested one."""


def find_evidence(
    trained: Trained,
    rows: Rows,
    index: NDArray[np.int64],
    *,
    reference: Rows | None,
    columns: NDArray[np.int64] | None = None,
    most: int = 5,
) -> list[Evidence]:
    """Up to `most` pieces of each kind for the rows at these positions, strongest first.

    `columns` (features,) is the number of the column that each feature was made of, rising.
    """
    if not len(index):
        return []
    panel, witnesses = _witnesses(trained, rows, reference)
    found = _influences(trained, rows, index, panel, witnesses, reference is None, most)
    found += _outvoting(trained, rows, index, most)
    if columns is not None:
        found += _cells(trained, rows, index, columns, most)
    return found + _words(trained, index, witnesses, most)


def _witnesses(trained: Trained, rows: Rows, reference: Rows | None) -> tuple[NDArray[np.intp], Rows]:
    """Positions of the reference rows that are looked at, and these rows."""
    panel = np.arange(len(reference)) if reference is not None else np.flatnonzero(voters(trained, rows))
    panel = panel[:MOST_WITNESSES]
    return panel, (rows if reference is None else reference).take(panel)


def _words(trained: Trained, index: NDArray[np.int64], witnesses: Rows, most: int) -> list[Evidence]:
    """The words of each row that harm the reference rows."""
    fitted = trained.fitted[main_proxy(trained)]
    if not isinstance(fitted, Reader):
        return []
    tokens, values = fitted.words(index, witnesses, most=most)
    return [
        Evidence("blamed_word", int(row), int(token), float(value))
        for row, words, worths in zip(index, tokens, values, strict=True)
        for token, value in zip(words, worths, strict=True)
        if token >= 0 and value < 0
    ]


def _cells(
    trained: Trained, rows: Rows, index: NDArray[np.int64], columns: NDArray[np.int64], most: int
) -> list[Evidence]:
    """The columns whose cells speak most for the suggested label and against the given one, beyond an average cell.

    Of the linear proxy, whose log-odds of two classes are a sum over the features.
    """
    fitted = trained.fitted.get("linear")
    if not isinstance(fitted, FittedLinear) or not rows.classes:
        return []
    weights, first = fitted.feature_weights, np.flatnonzero(np.diff(columns, prepend=-1))
    found = []
    for start in range(0, len(index), BLOCK_ROWS):
        block = index[start : start + BLOCK_ROWS]
        turned = weights[trained.view.suggested[block]] - weights[rows.labels[block]]
        pulls = np.add.reduceat(rows.features[block] * turned, first, axis=1)
        order = np.argsort(-pulls, axis=1, kind="stable")[:, :most]
        found += [
            Evidence("blamed_cell", int(row), int(columns[first[j]]), float(pulls[place, j]))
            for place, row in enumerate(block)
            for j in order[place]
            if pulls[place, j] > 0
        ]
    return found


def _influences(
    trained: Trained,
    rows: Rows,
    index: NDArray[np.int64],
    panel: NDArray[np.intp],
    witnesses: Rows,
    among_rows: bool,
    most: int,
) -> list[Evidence]:
    """The reference rows that each row moves most, down and up."""
    fitted = trained.fitted[main_proxy(trained)]
    found = []
    for start in range(0, len(index), BLOCK_ROWS):
        block = index[start : start + BLOCK_ROWS]
        values = fitted.influence_between(block, witnesses)
        if among_rows:
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
