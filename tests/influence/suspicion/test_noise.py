"""The matrix of confusions, found back from simulated noise; trusted where it explains, not where it does not."""

import numpy as np
import pytest

from culpa.influence.suspicion import fit_noise, judge
from culpa.influence.suspicion.noise import LEAST_RATE, confusions, uniform_noise
from tests.influence.suspicion.test_calibrate import simulated

CLASSES = 5


def confused(matrix, rows=12_000, seed=0):
    """Probabilities of the true class, given labels drawn by a matrix of confusions, and which are wrong."""
    probabilities, true, _ = simulated(rows, seed=seed)
    chance = np.random.default_rng(seed + 1)
    given = (matrix[true].cumsum(axis=1) < chance.random((rows, 1))).sum(axis=1).clip(max=CLASSES - 1)
    return probabilities, given, given != true


def uniform(rate):
    return np.full((CLASSES, CLASSES), rate / (CLASSES - 1)) + (1 - rate - rate / (CLASSES - 1)) * np.eye(CLASSES)


def pairwise(rate):
    return (1 - rate) * np.eye(CLASSES) + rate * np.roll(np.eye(CLASSES), 1, axis=1)


def lopsided():
    matrix = 0.9 * np.eye(CLASSES) + 0.1 * uniform(1.0)
    matrix[0] = [0.5, 0.3, 0.2, 0.0, 0.0]
    return matrix / matrix.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("matrix", [pairwise(0.3), lopsided(), uniform(0.2)], ids=["pairwise", "lopsided", "uniform"])
def test_the_matrix_of_confusions_is_found_back(matrix):
    probabilities, given, _ = confused(matrix)
    np.testing.assert_allclose(confusions(probabilities, given), matrix, rtol=0, atol=0.04)
    np.testing.assert_allclose(fit_noise(probabilities, given).matrix, matrix, rtol=0, atol=0.05)


def test_pairwise_noise_is_trusted_and_uniform_noise_is_not():
    pair = fit_noise(*confused(pairwise(0.2))[:2])
    even = fit_noise(*confused(uniform(0.2))[:2])
    assert pair.trust > 0.95
    assert even.trust < 0.5  # chance alone gains half a nat per entry
    assert even.gain == pytest.approx(0.5, abs=0.4)


def test_one_rate_for_all_pairs_is_found_back():
    for rate in (0.05, 0.2, 0.4):
        probabilities, given, _ = confused(uniform(rate))
        np.testing.assert_allclose(uniform_noise(probabilities, given), uniform(rate), rtol=0, atol=0.02)


def test_no_noise_leaves_the_least_rate():
    probabilities, given, _ = confused(np.eye(CLASSES))
    assert 1 - np.diagonal(uniform_noise(probabilities, given)) == pytest.approx(LEAST_RATE, abs=0.01)


def test_rows_of_the_matrix_are_probabilities_even_for_a_class_nobody_has():
    probabilities, given, _ = confused(pairwise(0.2), rows=60)
    more = np.c_[probabilities * 0.999, np.full(60, 0.001)]
    found = fit_noise(more, given).matrix
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert (found > 0).all()


def test_the_likelihood_is_that_of_the_given_labels():
    probabilities, given, _ = confused(pairwise(0.2))
    found = fit_noise(probabilities, given)
    full = confusions(probabilities, given)
    expected = np.log((probabilities * full[:, given].T).sum(axis=1)).mean()
    assert found.log_likelihood == pytest.approx(expected, abs=1e-12)


def test_each_step_of_the_maximisation_explains_the_labels_no_worse(monkeypatch):
    probabilities, given, _ = confused(lopsided(), rows=3_000)
    likelihoods = []
    for rounds in (1, 2, 4, 8, 16, 60):
        monkeypatch.setattr("culpa.influence.suspicion.noise.ROUNDS", rounds)
        matrix = confusions(probabilities, given)
        likelihoods.append(np.log((probabilities * matrix[:, given].T).sum(axis=1)).mean())
    assert (np.diff(likelihoods) > -1e-4).all()


def test_many_rows_are_counted_in_part():
    probabilities, given, _ = confused(pairwise(0.2), rows=130_000)
    found, part = fit_noise(probabilities, given), fit_noise(probabilities[::2], given[::2])
    np.testing.assert_array_equal(found.matrix, part.matrix)


def test_expected_wrong_labels_add_up_to_the_planted_ones():
    for matrix in (uniform(0.2), uniform(0.05), pairwise(0.25)):
        probabilities, given, wrong = confused(matrix)
        judged = judge(probabilities, given, fit_noise(probabilities, given))
        assert judged.probability_wrong.sum() == pytest.approx(wrong.sum(), rel=0.1)
        sure = judged.probability_wrong > 0.8
        assert wrong[sure].mean() == pytest.approx(judged.probability_wrong[sure].mean(), abs=0.05)
