"""Plant, score again, and see where the planted rows come to lie; repeated until enough were planted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.calibration.planting import Planting, plant
from culpa.influence.rows import Rows

__all__ = ["MOST_ROWS", "Replanted", "depths", "plant_and_score"]

SHARE = 0.05  # of the labels: few enough to leave the proxies what they are
ENOUGH = 100  # planted labels, over the repeats
MOST_REPEATS = 3
MOST_ROWS = 10_000  # scored again; of more, every k-th

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Replanted:
    """One repeat: what was planted, and what came of scoring it."""

    planting: Planting
    scores: Columns  # as of a run, for the rows of the planting
    depths: NDArray[np.float64]  # (planted,) how deep among the others each planted row lies


def plant_and_score(
    rows: Rows,
    expected: NDArray[np.float64],
    probability_wrong: NDArray[np.float64],
    score: Callable[[Rows], Columns],
    *,
    seed: int,
    tell: Callable[[str, float], None],
) -> list[Replanted]:
    """Plant in these rows and `score` them, up to three times, until a hundred labels were planted."""
    found: list[Replanted] = []
    while sum(len(one.depths) for one in found) < ENOUGH and len(found) < MOST_REPEATS:
        tell(f"plant wrong labels, {len(found) + 1}", len(found) / MOST_REPEATS)
        planting = plant(rows, expected, probability_wrong, share=SHARE, seed=seed + 1 + len(found))
        scores = score(planting.rows)
        found.append(Replanted(planting, scores, depths(scores["suspicion"], planting.place)))
    return found


def depths(suspicion: NDArray[np.float64], place: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the other rows that are at least as suspicious as each planted one, (planted,): 0 = found first.

    >>> depths(np.array([5.0, 1.0, 3.0, 2.0, 4.0]), np.array([2])).tolist()
    [0.5]
    """
    planted = np.zeros(len(suspicion), np.bool_)
    planted[place] = True
    others = np.sort(suspicion[~planted])
    found: NDArray[np.float64] = 1 - np.searchsorted(others, suspicion[place], side="left") / max(len(others), 1)
    return found
