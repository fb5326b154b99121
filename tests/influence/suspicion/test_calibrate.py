"""Sharpening and the rate of wrong labels, found back from simulated proxies."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from culpa.influence.suspicion import calibrate
from culpa.influence.suspicion.calibrate import LEAST_PROBABILITY, RATES, sharpen

CLASSES = 5


def simulated(rows=12_000, unsure=1.0, wrong=0.0, seed=0):
    """Probabilities of a proxy, flatter than the truth by the factor `unsure` on logs, and given labels."""
    chance = np.random.default_rng(seed)
    truth = softmax(3 * chance.standard_normal((rows, CLASSES)), axis=1)
    labels = (truth.cumsum(axis=1) < chance.random((rows, 1))).sum(axis=1).clip(max=CLASSES - 1)
    flipped = chance.random(rows) < wrong
    labels = np.where(flipped, (labels + chance.integers(1, CLASSES, rows)) % CLASSES, labels)
    return softmax(np.log(truth) / unsure, axis=1), labels, truth


@pytest.mark.parametrize("unsure", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("wrong", [0.05, 0.2])
def test_the_sharpening_and_the_rate_of_wrong_labels_are_found_back(unsure, wrong):
    flat, labels, truth = simulated(unsure=unsure, wrong=wrong)
    found = calibrate(flat, labels)
    assert found.sharpening == pytest.approx(unsure, rel=0.12)
    assert found.wrong_rate == pytest.approx(wrong, abs=0.051)
    again = sharpen(flat, found.sharpening)
    assert np.abs(again - truth).mean() < 0.02


def test_clean_labels_have_hardly_any_rate_of_wrong_ones():
    flat, labels, _ = simulated(unsure=2.0)
    found = calibrate(flat, labels)
    assert found.wrong_rate <= 0.01
    assert found.sharpening == pytest.approx(2, rel=0.1)


def test_the_likelihood_is_that_of_the_given_labels_and_the_best_of_the_grid():
    flat, labels, _ = simulated(rows=2_000, unsure=2.0, wrong=0.2)
    found = calibrate(flat, labels)

    def likelihood(sharpening, rate):
        own = softmax(sharpening * np.log(flat), axis=1)[np.arange(2_000), labels]
        return np.log((1 - rate) * own + rate * (1 - own) / (CLASSES - 1)).mean()

    assert found.log_likelihood == pytest.approx(likelihood(found.sharpening, found.wrong_rate), abs=1e-3)
    grid = [likelihood(t, rate) for t in np.geomspace(0.2, 10, 60) for rate in RATES]
    assert found.log_likelihood > max(grid) - 1e-4


def test_a_plain_temperature_would_learn_the_noise():
    flat, labels, _ = simulated(unsure=1.0, wrong=0.3)
    tried = np.geomspace(0.1, 3, 60)
    plain = [-log_softmax(t * np.log(flat), axis=1)[np.arange(len(labels)), labels].mean() for t in tried]
    assert tried[np.argmin(plain)] < 0.6
    assert calibrate(flat, labels).sharpening == pytest.approx(1, rel=0.1)


def test_a_zero_is_no_proof_and_sharpening_by_one_changes_nothing_above_the_floor():
    given = np.array([[0.0, 0.0, 1.0], [0.2, 0.3, 0.5]])
    found = sharpen(given, 1.0)
    np.testing.assert_allclose(found[1], given[1], rtol=0, atol=1e-12)
    assert found[0, 0] == pytest.approx(LEAST_PROBABILITY, rel=1e-3)
    np.testing.assert_allclose(sharpen(given, 7.0).sum(axis=1), 1, rtol=0, atol=1e-12)
    assert np.isfinite(np.log(sharpen(given, 20.0))).all()


def test_many_rows_are_calibrated_on_a_part_of_them():
    flat, labels, _ = simulated(rows=120_000, unsure=2.0, wrong=0.1)
    assert calibrate(flat, labels) == calibrate(flat[::3], labels[::3])
