"""Columns of moments: the moment itself as a number, and the place on the day, the week and the year.

A place on a cycle is a point on a circle, (cos, sin) of 2 pi t / period, so that 23:59 lies beside 00:00. A cycle is
taken where it can be seen: the moments span it at least twice, and their places on it differ. The features of all
cycles are centred and divided by one number, such that their variances add up to 1: the cycles together weigh as much
as one standardised number. All in UTC.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.features.numeric import Numeric, fit_missing
from culpa.influence.features.scale import fit_bent

DAY = 86_400.0  # seconds
PERIODS = {"day": DAY, "week": 7 * DAY, "year": 365.2425 * DAY}


@dataclass(frozen=True)
class Timestamp:
    """One column of moments, in seconds since 1970-01-01 UTC."""

    moment: Numeric
    cycles: tuple[str, ...]
    means: NDArray[np.float64]  # (2 * cycles,)
    width: float

    @property
    def names(self) -> tuple[str, ...]:
        """Name each feature."""
        turns = tuple(
            f"{self.moment.column}: {part} of the {cycle}" for cycle in self.cycles for part in ("cos", "sin")
        )
        return self.moment.names + turns

    def write(self, values: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Fill `out`, (rows, features); a missing moment lies in the middle of every cycle."""
        first = len(self.moment.names)
        self.moment.write(values, out[:, :first])
        if self.cycles:
            points = (on_circles(values, self.cycles) - self.means) / self.width
            out[:, first:] = np.where(np.isnan(points), 0.0, points)


def fit_timestamp(column: str, values: NDArray[Any]) -> Timestamp:
    """Scale the moments and find the cycles that can be seen in them."""
    moment = Numeric(column, fit_bent(column, values), fit_missing(column, np.isnan(values)))
    cycles = tuple(cycle for cycle in PERIODS if is_seen(values, cycle)) if moment.scale else ()
    if not cycles:
        return Timestamp(moment, (), np.zeros(0), 1.0)
    moments = [circle_moments(values, cycle) for cycle in cycles]
    variance = sum(float(variances.sum()) for _, variances in moments)
    return Timestamp(moment, cycles, np.concatenate([means for means, _ in moments]), float(np.sqrt(variance)))


def is_seen(values: NDArray[Any], cycle: str) -> bool:
    """Tell whether the moments span a cycle at least twice, at differing places (by more than a second)."""
    span = np.nanmax(values) - np.nanmin(values)
    _, variances = circle_moments(values, cycle)
    return bool(span >= 2 * PERIODS[cycle] and variances.sum() > (2 * np.pi / PERIODS[cycle]) ** 2)


def circle_moments(values: NDArray[Any], cycle: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the means and variances, (2,) each, of the places on one cycle; missing moments left out."""
    points = on_circles(values, (cycle,))
    return np.nanmean(points, axis=0), np.nanvar(points, axis=0)


def on_circles(values: NDArray[Any], cycles: tuple[str, ...]) -> NDArray[Any]:
    """Give (rows, 2 * cycles): cos and sin of the place on each cycle; the week starts on a Thursday, as 1970 did."""
    points = np.empty((len(values), 2 * len(cycles)))
    for k, cycle in enumerate(cycles):
        angle = 2 * np.pi * place(values, cycle)
        points[:, 2 * k], points[:, 2 * k + 1] = np.cos(angle), np.sin(angle)
    return points


def place(values: NDArray[Any], cycle: str) -> NDArray[Any]:
    """Give the place on a cycle, 0 to 1. The week counts whole days: its turn must not follow the hours."""
    if cycle == "week":
        values = np.floor(values / DAY) * DAY
    period = PERIODS[cycle]
    turn: NDArray[Any] = np.mod(values, period) / period
    return turn
