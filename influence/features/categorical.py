"""Columns of categories: one feature a level, rare levels grouped, missing a level like any other.

A level needs LEAST_ROWS rows (in small data: a hundredth of them, at least 2) and the MOST_LEVELS commonest have a
feature of their own. The features of a column are centred and divided by one number, such that their variances add up
to 1 (1 - sum of squared shares before): two rows that differ in the column are then as far apart, on average, as two
rows in a standardised number. Where one level has nearly all rows the divisor stops at sqrt(2)/3: two rows are never
further apart than 3.

Dividing each level by its own deviation makes rare levels loud. 4-fold accuracy of 15 neighbours, each level alone ->
this rule: credit .766 -> .784, telephone churn .767 -> .779, Titanic .780 -> .785, credit cards .887 -> .887, attrition
.847 -> .845, bank wages .886 -> .882. Softmax regression moves by at most .003 (20 % wrong labels: .009, attrition).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import OneHotEncoder

LEAST_ROWS = 10
MOST_LEVELS = 64
NARROWEST = float(np.sqrt(2) / 3)
BLOCK = 16_384  # rows


@dataclass(frozen=True)
class Categorical:
    """One column of categories. A level never seen counts as a rare one; where none was rare, as no level at all."""

    names: tuple[str, ...]
    encoder: OneHotEncoder
    shares: NDArray[np.float32]  # (levels,) of the rows
    width: float

    def write(self, values: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Fill `out`, (rows, levels)."""
        levels = self.encoder.transform(as_table(values)).toarray()
        out[:] = (levels - self.shares) / np.float32(self.width)


def fit_categorical(column: str, values: NDArray[Any]) -> Categorical | None:
    """Learn the levels and their shares; None where there is one level only."""
    encoder = OneHotEncoder(
        min_frequency=int(np.clip(len(values) // 100, 2, LEAST_ROWS)),
        max_categories=MOST_LEVELS,
        handle_unknown="infrequent_if_exist",
        dtype=np.float32,
    ).fit(as_table(values))
    names = name_levels(column, encoder)
    counts = np.zeros(len(names))
    for start in range(0, len(values), BLOCK):
        counts += np.asarray(encoder.transform(as_table(values[start : start + BLOCK])).sum(axis=0)).ravel()
    if len(names) < 2:
        return None
    shares = counts / len(values)
    width = max(float(np.sqrt(1 - (shares**2).sum())), NARROWEST)
    return Categorical(names, encoder, shares.astype(np.float32), width)


def as_table(values: NDArray[Any]) -> NDArray[Any]:
    """Give the column as the table of one column that the encoder reads."""
    return values.astype(object, copy=False)[:, None]


def name_levels(column: str, encoder: OneHotEncoder) -> tuple[str, ...]:
    """Name each feature in the encoder's order: the levels that are not rare, then the rare ones together."""
    rare = encoder.infrequent_categories_[0]
    rare = set() if rare is None else set(rare)
    own = [level for level in encoder.categories_[0] if level not in rare]
    names = [f"{column} is missing" if level is None else f"{column}={level}" for level in own]
    return (*names, f"{column} is rare") if rare else tuple(names)
