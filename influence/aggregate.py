"""Many scores of a row made one: over reference rows, classes and layers.

All take influences with the training rows first and give one score per training row, positive helps, so that the lowest
are the most harmful. `mean` weighs loud reference rows most; `ranks` and `votes` let every reference row (and layer)
speak alike; `class_minimum` asks whether any class is harmed.
Source: class minimum Nguyen-Duc et al. 2023; ranks and votes Vitel & Chhabra 2025; relative influence Barshan et al.
2020, in its two forms.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["class_minimum", "mean", "ranks", "relative_to_self", "relative_to_step", "votes"]

Array = NDArray[np.float64]


def mean(influence: Array) -> Array:
    """Mean over everything but the training rows: (rows, ...) to (rows,).

    >>> mean(np.array([[1.0, 3.0], [0.0, -2.0]])).tolist()
    [2.0, -1.0]
    """
    return _flat(influence).mean(axis=1)


def class_minimum(influence: Array, labels: NDArray[np.int64]) -> Array:
    """The least, over the classes of the reference rows, of the mean over a class's: (rows, reference rows) to (rows,).

    >>> class_minimum(np.array([[5.0, 5.0, -1.0]]), np.array([0, 0, 1])).tolist()
    [-1.0]
    """
    if influence.shape[1] != len(labels):
        raise ValueError(
            f"{influence.shape[1]} reference rows and {len(labels)} labels came: pass one label for each reference row"
        )
    means = [influence[:, labels == label].mean(axis=1) for label in np.unique(labels)]
    return np.min(means, axis=0)


def ranks(influence: Array) -> Array:
    """Mean over reference rows and layers of a row's rank among the rows there: 1 for the most harmful, ties shared.

    >>> ranks(np.array([[1.0, 100.0], [2.0, -1.0], [3.0, -2.0]])).tolist()
    [2.0, 2.0, 2.0]
    """
    return rankdata(_flat(influence), axis=0).mean(axis=1)


def votes(influence: Array, most: int) -> Array:
    """Minus the votes against a row: each reference row and layer gives its worst rows `most`, ..., 2, 1 votes.

    >>> votes(np.array([[-3.0, 1.0], [-2.0, -9.0], [5.0, 2.0]]), 2).tolist()
    [-3.0, -3.0, 0.0]
    """
    if most < 1:
        raise ValueError(f"the number of rows voted on must be 1 or more, got {most}: try the number you would review")
    places = rankdata(_flat(influence), axis=0, method="ordinal") - 1
    return np.minimum(places - most, 0).sum(axis=1).astype(np.float64)


def relative_to_self(influence: Array, self_influence: Array) -> Array:
    """l-relative influence: influence / sqrt(self-influence), for a row that moves everything by its own weight alone.

    (rows, ...) and (rows,) to (rows, ...); NaN where a row has no self-influence.
    """
    return _divided(influence, np.sqrt(self_influence))


def relative_to_step(influence: Array, step: Array) -> Array:
    """theta-relative influence: influence / |H^-1 g_i|, `step` being how far a row moves the parameters, (rows,)."""
    return _divided(influence, step)


def _divided(influence: Array, by: Array) -> Array:
    safe = np.where(by > 0, by, np.nan)
    return influence / safe.reshape(-1, *[1] * (influence.ndim - 1))


def _flat(influence: Array) -> Array:
    if influence.ndim < 2 or not influence[0].size:
        raise ValueError(
            f"influence of the shape {influence.shape} came, needed (rows, reference rows) or (rows, layers, reference "
            "rows) with one reference row at least"
        )
    return influence.reshape(len(influence), -1)
