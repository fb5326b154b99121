"""Wrong numbers among right ones."""

import numpy as np
import pytest
from scipy.stats import norm

from culpa.influence.suspicion import judge_targets
from culpa.influence.suspicion.regression import OUTLIER_SCALE


def planted(rows=4_000, share=0.08, scale=2.5, seed=0):
    chance = np.random.default_rng(seed)
    predictions = 10 * chance.standard_normal(rows)
    wrong = chance.random(rows) < share
    residuals = scale * chance.standard_normal(rows) * np.where(wrong, OUTLIER_SCALE, 1.0)
    return predictions, predictions + residuals, wrong


@pytest.mark.parametrize("share", [0.02, 0.08, 0.2])
def test_planted_outliers_their_share_and_the_scale_are_found_back(share):
    predictions, targets, wrong = planted(share=share)
    judged = judge_targets(predictions, targets)
    assert judged.laws.wrong_rate == pytest.approx(share, rel=0.25)
    assert judged.laws.scale == pytest.approx(2.5, rel=0.05 + 1.5 * share)
    assert judged.probability_wrong.sum() == pytest.approx(wrong.sum(), rel=0.2)
    sure = judged.probability_wrong > 0.9
    assert wrong[sure].mean() > 0.95
    assert judged.probability_wrong[wrong].mean() > 10 * judged.probability_wrong[~wrong].mean()


def test_suspicion_is_the_absolute_residual_in_robust_scales():
    predictions, targets, _ = planted(rows=101)
    residuals = targets - predictions
    expected = np.abs(residuals) / (1.4826 * np.median(np.abs(residuals)))
    np.testing.assert_allclose(judge_targets(predictions, targets).suspicion, expected, rtol=1e-12)


def test_the_likelihood_is_a_density_of_the_residual():
    predictions, targets, _ = planted(rows=2_000)
    judged = judge_targets(predictions, targets)
    z = (targets - predictions) / judged.laws.scale
    mixed = (1 - judged.laws.wrong_rate) * norm.pdf(z) + judged.laws.wrong_rate * norm.pdf(z, scale=OUTLIER_SCALE)
    np.testing.assert_allclose(judged.log_likelihoods, np.log(mixed / judged.laws.scale), rtol=0, atol=1e-9)


def test_the_unit_of_the_target_does_not_matter():
    predictions, targets, _ = planted(rows=500)
    one, thousand = judge_targets(predictions, targets), judge_targets(1_000 * predictions, 1_000 * targets)
    np.testing.assert_allclose(one.probability_wrong, thousand.probability_wrong, rtol=0, atol=1e-9)
    assert thousand.laws.scale == pytest.approx(1_000 * one.laws.scale)


def test_predictions_that_are_all_right_make_nobody_suspicious():
    same = np.arange(50.0)
    judged = judge_targets(same, same)
    assert np.isfinite(judged.log_likelihoods).all()
    assert judged.probability_wrong.max() < 0.05


def test_one_target_off_among_perfect_ones_is_the_suspicious_one():
    targets = np.arange(50.0)
    targets[7] += 100
    judged = judge_targets(np.arange(50.0), targets)
    assert judged.probability_wrong.argmax() == 7
    assert judged.probability_wrong[7] > 0.9
