"""The soft form of filtering: a weight in [0, 1] for every row, for trainers that take weights.

    weight = 1 - P(the label is wrong) * P(the row harms)

The first from the out-of-sample posterior; the second is 1 less the one-sided p-value of the row's influence on the
reference rows. So a row keeps its weight if its label is sound, or if it helps all the same, and loses it in the
measure that both speak against it: the two axes of the tags, without a threshold. Any proxy gives them, and no network
is trained again for them; weights that are learnt by training are in `attribution.weights`.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["soft_weights"]

Array = NDArray[np.float64]


def soft_weights(probability_wrong: Array, p_values: Array) -> Array:
    """Weight of each row, (rows,) in [0, 1], from its probability of a wrong label and its one-sided p-value of harm.

    >>> soft_weights(np.array([0.9, 0.9, 0.1]), np.array([0.0, 1.0, 0.0])).round(2).tolist()
    [0.1, 1.0, 0.9]
    """
    weights: Array = 1 - probability_wrong * (1 - p_values)
    return weights.clip(0, 1)
