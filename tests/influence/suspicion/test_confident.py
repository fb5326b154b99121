"""Confident learning against its formula row by row, and against cleanlab where that is installed."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from culpa.influence.suspicion.confident import confident_joint, normalized_margin, off_diagonal


def noisy(rows=400, classes=4, seed=0):
    """Out-of-sample probabilities of a good model, and labels of which a fifth are wrong."""
    chance = np.random.default_rng(seed)
    truth = chance.integers(0, classes, rows)
    scores = chance.standard_normal((rows, classes)) + 3 * np.eye(classes)[truth]
    wrong = chance.random(rows) < 0.2
    labels = np.where(wrong, (truth + 1 + chance.integers(0, classes - 1, rows)) % classes, truth)
    p = np.exp(scores)
    return p / p.sum(axis=1, keepdims=True), labels, wrong


def test_the_joint_is_counted_row_by_row():
    p, labels, _ = noisy(60)
    thresholds = [p[labels == k, k].mean() for k in range(4)]
    expected, found = np.zeros((4, 4), int), off_diagonal(p, labels)
    for row in range(60):
        sure = [k for k in range(4) if p[row, k] >= thresholds[k]]
        if sure:
            best = max(sure, key=lambda k: p[row, k])
            expected[labels[row], best] += 1
        assert found[row] == bool(sure and best != labels[row])
    np.testing.assert_array_equal(confident_joint(p, labels), expected)


def test_wrong_labels_lie_off_the_diagonal_and_have_low_quality():
    p, labels, wrong = noisy()
    assert (off_diagonal(p, labels) & wrong).sum() > 0.7 * wrong.sum()
    assert (off_diagonal(p, labels) & ~wrong).sum() < 0.1 * wrong.sum()
    assert roc_auc_score(wrong, -normalized_margin(p, labels)) > 0.95


def test_a_class_that_no_row_bears_is_never_confident():
    p, labels, _ = noisy()
    without = labels != 3
    joint = confident_joint(p[without], labels[without])
    assert not joint[:, 3].any()
    assert not joint[3].any()


def test_it_is_what_cleanlab_computes():
    pytest.importorskip("cleanlab")
    from cleanlab.count import compute_confident_joint
    from cleanlab.rank import get_normalized_margin_for_each_label

    p, labels, _ = noisy()
    theirs = compute_confident_joint(labels, p, calibrate=False)
    off = ~np.eye(4, dtype=bool)  # cleanlab holds the diagonal at one at least
    np.testing.assert_array_equal(confident_joint(p, labels)[off], theirs[off])
    np.testing.assert_allclose(normalized_margin(p, labels), get_normalized_margin_for_each_label(labels, p))
