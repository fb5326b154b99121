"""Noise detection rates by hand, their bounds, and ties."""

import numpy as np
import pytest

from culpa.influence.detection import area_under_rates, noise_detection_rate, noise_detection_rates

CHANCE = np.random.default_rng(0)


def test_rates_by_hand():
    scores, wrong = np.array([0.3, -2.0, 5.0, -1.0, 0.1]), np.array([True, True, False, False, True])
    np.testing.assert_allclose(noise_detection_rates(scores, wrong), [1 / 3, 1 / 3, 2 / 3, 1, 1])
    assert noise_detection_rate(scores, wrong, 3) == pytest.approx(2 / 3)
    assert area_under_rates(scores, wrong) == pytest.approx((1 / 3 + 1 / 3 + 2 / 3 + 1 + 1) / 5)


def test_tied_rows_count_as_the_mean_over_their_orders():
    scores, wrong = np.array([1.0, 0.0, 0.0, 0.0, 2.0, 2.0]), np.array([True, True, False, False, False, True])
    orders = [scores + 1e-9 * CHANCE.permutation(6) for _ in range(4_000)]
    expected = np.mean([noise_detection_rates(one, wrong) for one in orders], axis=0)
    np.testing.assert_allclose(noise_detection_rates(scores, wrong), expected, atol=0.02)


def test_chance_is_a_half_and_the_best_order_leaves_half_of_the_wrong_rows_share():
    wrong = np.arange(1_000) < 200
    assert area_under_rates(np.zeros(1_000), wrong) == pytest.approx(0.5, abs=0.001)
    assert area_under_rates(-wrong.astype(float), wrong) == pytest.approx(0.9, abs=0.001)
    assert area_under_rates(wrong.astype(float), wrong) == pytest.approx(0.1, abs=0.001)


def test_the_order_of_the_rows_does_not_matter():
    scores, wrong, order = CHANCE.standard_normal(50).round(), CHANCE.random(50) < 0.3, CHANCE.permutation(50)
    np.testing.assert_allclose(noise_detection_rates(scores[order], wrong[order]), noise_detection_rates(scores, wrong))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: noise_detection_rates(np.ones(3), np.zeros(3, bool)), "0 wrong rows"),
        (lambda: noise_detection_rates(np.ones(3), np.ones(2, bool)), r"scores \(3,\) and 2 wrong rows of \(2,\) came"),
        (lambda: noise_detection_rate(np.ones(3), np.ones(3, bool), 4), "k must be from 1 to the 3 rows, got 4"),
    ],
)
def test_bad_input_says_what_came_and_what_was_needed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
