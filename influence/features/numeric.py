"""Columns of numbers, booleans included: the median for what is missing, a mark that it was, and a scale.

The formulas are those of scikit-learn's RobustScaler, SimpleImputer(add_indicator=True) and StandardScaler, written
out because they run column by column here, over memory that is already there, and would each need the whole matrix.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.features.scale import Bent, Straight, fit_bent
from culpa.influence.features.shared import find_shared


@dataclass(frozen=True)
class Numeric:
    """One column of numbers: its scaled value where it varies, and whether it is missing where some were."""

    column: str
    scale: Bent | Straight | None  # None: the column does not vary
    missing: Bent | None  # None: nothing was missing, or everything

    @property
    def names(self) -> tuple[str, ...]:
        """Name each feature."""
        value = (self.column,) if self.scale else ()
        return value + ((f"{self.column} is missing",) if self.missing else ())

    def write(self, values: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Fill `out`, (rows, features)."""
        if self.scale:
            out[:, 0] = self.scale(values)
        if self.missing:
            out[:, -1] = self.missing(np.isnan(values).astype(float))


def fit_numeric(columns: Mapping[str, NDArray[Any]]) -> dict[str, Numeric]:
    """Fit all columns of numbers of a table at once, since some may share a scale."""
    names = list(columns)
    scales: dict[str, Straight] = {}
    for members in find_shared(list(columns.values())):
        together = {names[k]: columns[names[k]] for k in members}
        scales |= fit_straight(together)
    return {
        name: Numeric(name, scales.get(name) or fit_bent(name, values), fit_missing(name, np.isnan(values)))
        for name, values in columns.items()
    }


def fit_straight(columns: Mapping[str, NDArray[Any]]) -> dict[str, Straight]:
    """Fit columns that share a scale: each its own mean, all the pooled deviation, the root of their mean variance.

    A missing value counts as the mean, so that it adds no variance.
    """
    means = {name: float(np.nanmean(values)) for name, values in columns.items()}
    squares = [float(np.nansum((values - means[name]) ** 2)) / len(values) for name, values in columns.items()]
    pooled = float(np.sqrt(np.mean(squares)))
    return {name: Straight(mean, pooled) for name, mean in means.items()}


def fit_missing(name: str, missing: NDArray[np.bool_]) -> Bent | None:
    """Scale the mark of what is missing as any lone column of 0 and 1; None where the mark does not vary."""
    return fit_bent(name, missing.astype(float))
