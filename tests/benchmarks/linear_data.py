"""Made-up rows for measuring speed: correlated features, classes by a noisy linear model, written in blocks."""

from collections.abc import Iterator

import numpy as np

from culpa.influence.rows import Rows
from tests.benchmarks.cases import Array

BLOCK = 50_000  # rows


def make_rows(rows: int, features: int, classes: int, seed: int) -> Rows:
    """Rows in float32, standardised; no two alike."""
    matrix, labels = np.empty((rows, features), np.float32), np.empty(rows, np.int64)
    start = 0
    for found, truth in make_blocks(rows, features, classes, seed):
        matrix[start : start + len(truth)], labels[start : start + len(truth)] = found, truth
        start += len(truth)
    return Rows(matrix, labels, classes, np.arange(rows))


def make_blocks(rows: int, features: int, classes: int, seed: int, noise: float = 1.0) -> Iterator[tuple[Array, Array]]:
    """The same, (features float32, labels), a block at a time; `noise` 1 is that of a softmax, 0 is none."""
    generator = np.random.default_rng(seed)
    mixing = np.eye(features) + generator.normal(size=(features, features)) / np.sqrt(features)
    mixing /= np.sqrt((mixing**2).sum(axis=0))
    weights = generator.normal(size=(features, classes))
    for start in range(0, rows, BLOCK):
        found = generator.normal(size=(min(BLOCK, rows - start), features)) @ mixing
        scores = found @ weights + noise * generator.gumbel(size=(len(found), classes))
        yield found.astype(np.float32), scores.argmax(axis=1)
