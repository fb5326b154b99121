"""Digits with wrong labels, and reference rows that are right: a trial whose truth is known."""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

from culpa.influence.gate import Trial, choosing_and_judging
from culpa.influence.rows import Rows

ROWS, REFERENCE, FLIPPED = 500, 200, 75


@dataclass(frozen=True)
class Case:
    """Rows of which some are wrong, and trusted ones."""

    rows: Rows
    truth: np.ndarray
    wrong: np.ndarray  # positions
    right: np.ndarray
    reference: Rows


def digits(seed=0, flipped=FLIPPED) -> Case:
    features, labels = load_digits(return_X_y=True)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))[: ROWS + REFERENCE]
    features = ((features - features.mean(0)) / (features.std(0) + 1e-6)).astype(np.float32)[order]
    truth = labels[order]
    given = truth[:ROWS].copy()
    wrong = generator.choice(ROWS, flipped, replace=False)
    given[wrong] = (given[wrong] + generator.integers(1, 10, flipped)) % 10
    rows = Rows(features[:ROWS], given, 10, np.arange(ROWS))
    reference = Rows(features[ROWS:], truth[ROWS:], 10, np.arange(REFERENCE))
    return Case(rows, truth[:ROWS], wrong, np.setdiff1d(np.arange(ROWS), wrong), reference)


def trial(case: Case, order, **changed) -> Trial:
    """The removals `order`, judged by the two halves of the case's reference rows."""
    choosing, judging = choosing_and_judging(case.reference)
    nobody = np.zeros(len(case.rows), bool)
    usual = {
        "rows": case.rows,
        "order": np.asarray(order, dtype=np.int64),
        "decided": nobody,
        "labels": case.rows.labels,
        "choosing": case.reference.take(choosing),
        "judging": case.reference.take(judging),
        "doubted": np.zeros(0, bool),
        "absent": nobody,
    }
    return Trial(**{**usual, **changed})
