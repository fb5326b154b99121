"""Labelled rows in the preprocessed space: the one data shape of the mathematics."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """Features, labels and duplicate groups of the rows of one data set, in canonical order.

    Rows come sorted by the hash of their id, so that a row's position is a fair coin and permuting the input permutes
    the scores.
    """

    features: NDArray[np.float32]  # (rows, features), standardised, no constant column; float64 is kept
    labels: NDArray[Any]  # (rows,) int64 codes 0..classes-1; float64 targets when classes == 0
    classes: int  # 0 = regression
    groups: NDArray[np.int64]  # (rows,) rows with exactly the same features share a number
    tokens: NDArray[np.int32] | None = None  # (rows, positions) of their texts, for proxies that read,
    vocabulary: int = 0  # and how many different ones there are

    def __post_init__(self) -> None:
        """Refuse arrays whose lengths or labels do not fit together."""
        lengths = {len(self.features), len(self.labels), len(self.groups)}
        if self.tokens is not None:
            lengths.add(len(self.tokens))
        if self.features.ndim != 2 or len(lengths) != 1:
            raise ValueError(
                f"features {self.features.shape}, labels {self.labels.shape} and groups {self.groups.shape} "
                "do not fit: needed one matrix and two vectors over the same rows; pass arrays cut by the same index"
            )
        if self.classes and len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < self.classes:
            raise ValueError(
                f"labels run from {self.labels.min()} to {self.labels.max()}, needed codes 0 to {self.classes - 1}: "
                "code the classes by their sorted order first"
            )

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.labels)

    def take(self, index: NDArray[Any]) -> "Rows":
        """Give the rows at these positions (or under this mask) as rows of their own."""
        tokens = None if self.tokens is None else self.tokens[index]
        return Rows(self.features[index], self.labels[index], self.classes, self.groups[index], tokens, self.vocabulary)
