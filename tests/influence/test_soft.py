"""Weights from scores: what they follow from, and that training with them undoes wrong labels."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from culpa.influence.scoring import score_rows
from culpa.influence.soft import soft_weights
from culpa.influence.training import train_proxies
from tests.influence.small_rows import labelled


def test_a_row_loses_its_weight_only_where_label_and_influence_speak_against_it():
    wrong, p = np.array([1.0, 1.0, 0.0, 0.0, 0.5]), np.array([0.0, 1.0, 0.0, 1.0, 0.5])
    np.testing.assert_allclose(soft_weights(wrong, p), [0, 1, 1, 1, 0.75])


@pytest.mark.parametrize("trusted", [True, False])
def test_wrong_labels_weigh_little_and_training_with_the_weights_helps(trusted):
    gains = []
    for seed in range(3):
        rows, wrong = labelled(300, flipped=0.25, seed=seed)
        reference, test = labelled(80, seed=seed + 50)[0], labelled(2_000, seed=seed + 90)[0]
        trained = train_proxies(rows, proxy="linear", seed=0, rounds=0)
        weights = score_rows(trained, rows, reference=reference if trusted else None).scores["weight"]
        assert roc_auc_score(~wrong, weights) > 0.9
        model = LogisticRegression(C=1.0, max_iter=1_000)
        before = model.fit(rows.features, rows.labels).score(test.features, test.labels)
        gains.append(model.fit(rows.features, rows.labels, weights).score(test.features, test.labels) - before)
    assert min(gains) > -0.002
    assert np.mean(gains) > 0.002
