"""Two halves of the reference rows: one may be looked at while cleaning, the other judges the result."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from culpa.influence.folds import assign_folds
from culpa.influence.rows import Rows

__all__ = ["FEWEST", "choosing_and_judging"]

FEWEST = 20  # rows that are worth halving; a half of fewer shows nothing


def choosing_and_judging(reference: Rows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks (rows,) of the half that chooses and of the half that judges: within classes, duplicates never apart.

    Fewer than FEWEST rows all choose, and none judges.
    """
    everybody = np.ones(len(reference), np.bool_)
    if len(reference) < FEWEST:
        return everybody, ~everybody
    alike = np.unique(reference.features, axis=0, return_inverse=True)[1].reshape(-1)
    choosing = assign_folds(replace(reference, groups=alike.astype(np.int64)), 2) == 0
    return choosing, ~choosing
