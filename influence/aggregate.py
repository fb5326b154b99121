"""Many scores of a row made one: over reference rows, classes and layers.

All take influences with the training rows first and the reference rows last, layers between them if any, and give one
score per training row, positive helps, so that the lowest are the most harmful. `mean` weighs loud reference rows most;
`ranks` and `votes` let every reference row (and layer) speak alike; `class_minimum` asks whether any class is harmed.
`AGGREGATIONS` names them all, and each takes the labels of the reference rows there, whether it needs them or not.
Source: class minimum Nguyen-Duc et al. 2023; ranks and votes Vitel & Chhabra 2025.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["AGGREGATIONS", "Aggregation", "by_class", "class_minimum", "mean", "ranks", "total", "votes"]

Array = NDArray[np.float64]
VOTED_SHARE = 0.1  # of the rows, that every reference row votes on if no number is given


class Aggregation(Protocol):
    """A row of the table."""

    def __call__(self, influence: Array, labels: NDArray[np.int64]) -> Array:
        """(rows, ..., reference rows) and the labels of the reference rows to (rows,)."""


def mean(influence: Array) -> Array:
    """Mean over everything but the training rows: (rows, ...) to (rows,).

    >>> mean(np.array([[1.0, 3.0], [0.0, -2.0]])).tolist()
    [2.0, -1.0]
    """
    return _flat(influence).mean(axis=1)


def total(influence: Array) -> Array:
    """Sum over everything but the training rows: (rows, ...) to (rows,); their mean, times as many as there are.

    >>> total(np.array([[1.0, 3.0], [0.0, -2.0]])).tolist()
    [4.0, -2.0]
    """
    return _flat(influence).sum(axis=1)


def by_class(influence: Array, labels: NDArray[np.int64]) -> Array:
    """Mean over the reference rows of each class, and over layers: (rows, ..., reference rows) to (rows, classes).

    Classes in the order of their labels, those alone that a reference row has.

    >>> by_class(np.array([[5.0, 3.0, -1.0]]), np.array([0, 0, 1])).tolist()
    [[4.0, -1.0]]
    """
    if influence.shape[-1] != len(labels):
        raise ValueError(
            f"{influence.shape[-1]} reference rows and {len(labels)} labels came: pass one label for each reference row"
        )
    rows = _flat(influence).reshape(len(influence), -1, len(labels)).mean(axis=1)
    classes, places = np.unique(labels, return_inverse=True)
    members = np.eye(len(classes))[places]
    return rows @ (members / members.sum(axis=0))


def class_minimum(influence: Array, labels: NDArray[np.int64]) -> Array:
    """The least, over the classes of the reference rows, of the mean over a class's: (rows, ...) to (rows,).

    >>> class_minimum(np.array([[5.0, 5.0, -1.0]]), np.array([0, 0, 1])).tolist()
    [-1.0]
    """
    return by_class(influence, labels).min(axis=1)


def ranks(influence: Array) -> Array:
    """Mean over reference rows and layers of a row's rank among the rows there: 1 for the most harmful, ties shared.

    >>> ranks(np.array([[1.0, 100.0], [2.0, -1.0], [3.0, -2.0]])).tolist()
    [2.0, 2.0, 2.0]
    """
    return rankdata(_flat(influence), axis=0).mean(axis=1)


def votes(influence: Array, most: int | None = None) -> Array:
    """Minus the votes against a row: each reference row and layer gives its worst rows `most`, ..., 2, 1 votes.

    A tenth of the rows are voted on if no number is given.

    >>> votes(np.array([[-3.0, 1.0], [-2.0, -9.0], [5.0, 2.0]]), 2).tolist()
    [-3.0, -3.0, 0.0]
    """
    if most is None:
        most = max(1, round(VOTED_SHARE * len(influence)))
    if most < 1:
        raise ValueError(f"the number of rows voted on must be 1 or more, got {most}: try the number you would review")
    places = rankdata(_flat(influence), axis=0, method="ordinal") - 1
    return np.minimum(places - most, 0).sum(axis=1).astype(np.float64)


def _flat(influence: Array) -> Array:
    if influence.ndim < 2 or not influence[0].size:
        raise ValueError(
            f"influence of the shape {influence.shape} came, needed (rows, reference rows) or (rows, layers, reference "
            "rows) with one reference row at least"
        )
    return influence.reshape(len(influence), -1)


AGGREGATIONS: Mapping[str, Aggregation] = MappingProxyType(
    {
        "mean": lambda influence, labels: mean(influence),
        "sum": lambda influence, labels: total(influence),
        "class-minimum": class_minimum,
        "ranks": lambda influence, labels: ranks(influence),
        "votes": lambda influence, labels: votes(influence),
    }
)
