"""Small sets of rows with known errors, for the tests of every proxy."""

import numpy as np

from culpa.influence.rows import Rows


def labelled(count=240, classes=3, features=4, flipped=0.0, seed=0):
    """Rows around one centre per class, a share of the labels moved to the next class; and which these are."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, classes, count)
    centres = 2.5 * np.random.default_rng(99).standard_normal((classes, features))
    matrix = centres[labels] + chance.standard_normal((count, features))
    wrong = chance.random(count) < flipped
    return Rows(matrix, np.where(wrong, (labels + 1) % classes, labels), classes, np.arange(count)), wrong


def measured(count=240, features=4, seed=0):
    """Rows whose label is a number."""
    chance = np.random.default_rng(seed)
    matrix = chance.standard_normal((count, features))
    return Rows(
        matrix, matrix[:, 0] + np.sin(2 * matrix[:, 1]) + 0.2 * chance.standard_normal(count), 0, np.arange(count)
    )


def with_copies(rows, of, labels):
    """The rows and, at their end, exact duplicates of row `of` with these labels."""
    again = len(labels)
    return Rows(
        np.concatenate([rows.features, np.repeat(rows.features[of : of + 1], again, axis=0)]),
        np.concatenate([rows.labels, np.asarray(labels, rows.labels.dtype)]),
        rows.classes,
        np.concatenate([rows.groups, np.full(again, rows.groups[of])]),
    )


def relabelled(rows, at, labels):
    """The rows with other labels at these positions."""
    changed = rows.labels.copy()
    changed[at] = labels
    return Rows(rows.features, changed, rows.classes, rows.groups)
