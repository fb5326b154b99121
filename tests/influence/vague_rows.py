"""Rows whose classes overlap so much that half of them are contradicted though hardly any label is wrong."""

import numpy as np

from culpa.influence.rows import Rows


def vague(count, wrong=0.0, classes=8, seed=0):
    """Rows around centres closer than their spread, a share of the labels changed at random; and which these are."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, classes, count)
    centres = 0.6 * np.random.default_rng(99).standard_normal((classes, 6))
    flipped = chance.random(count) < wrong
    given = np.where(flipped, (labels + chance.integers(1, classes, count)) % classes, labels)
    return Rows(centres[labels] + chance.standard_normal((count, 6)), given, classes, np.arange(count)), flipped
