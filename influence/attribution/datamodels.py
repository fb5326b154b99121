"""The linear datamodeling score: do a method's scores, added up, foretell models trained on subsets of the rows?

For each reference row v the prediction for a subset S is the sum over the rows i in S of score(i, v); the score of the
method is the Spearman correlation over subsets of these sums with what models trained on the subsets really make of v,
averaged over the reference rows. It judges networks, where single rows move too little to be told from chance.
Source: Park et al. 2023 (TRAK), section 3; Ilyas et al. 2022.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.agreement import rank_correlations

__all__ = ["DatamodelingScore", "linear_datamodeling_score", "rank_correlations"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DatamodelingScore:
    """How well summed scores foretell models trained on subsets."""

    mean: float  # over the reference rows: 1 = they order the subsets as the truth does, 0 = by chance
    standard_error: float  # of that mean, over the reference rows
    by_reference: Array  # (reference rows,)


def linear_datamodeling_score(scores: NDArray[Any], subsets: NDArray[Any], outputs: NDArray[Any]) -> DatamodelingScore:
    """Judge `scores` (training rows, reference rows), positive helps, by what models of `subsets` came to.

    `subsets` (subsets, training rows) are masks, `outputs` (subsets, reference rows) numbers that a better model
    raises: minus the loss, or the margin; the mean over several models of one subset has less chance in it.

    >>> scores = np.array([[1.0], [2.0], [4.0]])
    >>> subsets = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], bool)
    >>> linear_datamodeling_score(scores, subsets, np.array([[-3.0], [-2.0], [-1.0]])).mean
    1.0
    """
    if subsets.shape != (len(outputs), len(scores)) or scores.shape[1:] != outputs.shape[1:]:
        raise ValueError(
            f"scores {scores.shape}, subsets {subsets.shape} and outputs {outputs.shape} do not fit: needed (training "
            "rows, reference rows), (subsets, training rows) and (subsets, reference rows)"
        )
    found = rank_correlations(subsets.astype(np.float64) @ scores.astype(np.float64), outputs)
    error = found.std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.nan
    return DatamodelingScore(float(found.mean()), float(error), found)
