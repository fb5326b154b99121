"""The estimate: against a world of known shares, where suspicion of right and of wrong labels has known laws."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from culpa.influence.calibration import budgets, precision_at_budgets, share, wrong_labels
from culpa.influence.calibration.again import depths

ROWS = 1000


def world(wrong, seed, shift=3.0, planted=100):
    """Suspicion is normal, of wrong labels `shift` higher: which are wrong, its posterior, and planted depths."""
    chance = np.random.default_rng(seed)
    bad = chance.random(ROWS) < wrong
    suspicion = chance.normal(size=ROWS) + shift * bad
    odds = wrong * norm.pdf(suspicion, shift), (1 - wrong) * norm.pdf(suspicion)
    both = np.concatenate([suspicion, chance.normal(shift, size=planted)])
    order = np.argsort(-suspicion)
    return bad[order], (odds[0] / sum(odds))[order], depths(both, ROWS + np.arange(planted))


@pytest.mark.parametrize("wrong", [0.0, 0.02, 0.1, 0.3])
def test_the_number_of_wrong_labels_lies_in_the_interval(wrong):
    hits = 0
    for seed in range(40):
        bad, posterior, found = world(wrong, seed)
        estimate = wrong_labels(found, ROWS, posterior)
        hits += estimate.low <= bad.sum() <= estimate.high
    assert hits >= 38


def test_the_upper_end_holds_where_the_posterior_sees_no_errors_at_all():
    for seed in range(20):
        bad, _, found = world(0.2, seed)
        estimate = wrong_labels(found, ROWS, np.zeros(ROWS))
        assert estimate.low == 0
        assert estimate.high >= bad.sum()


def test_the_lower_end_holds_where_planted_labels_are_all_found_at_once():
    _, posterior, _ = world(0.2, 0)
    estimate = wrong_labels(np.zeros(100), ROWS, posterior)
    assert estimate.low == pytest.approx(0.95 * posterior.sum(), rel=0.15)
    assert estimate.value >= 0.5 * posterior.sum()


def test_proxies_that_find_no_planted_label_bound_nothing():
    found = np.random.default_rng(0).random(100)
    assert wrong_labels(found, ROWS, np.zeros(ROWS)).high >= 0.8 * ROWS


def test_what_the_noise_model_supposes_without_evidence_is_no_evidence():
    assert wrong_labels(np.full(100, 0.05), 100_000, np.full(100_000, 0.009)).low == 0


@pytest.mark.parametrize("wrong", [0.0, 0.1, 0.3])
def test_the_precision_at_every_budget_lies_in_its_interval_and_falls(wrong):
    most, hits, tried = budgets(ROWS, 70), 0, 0
    for seed in range(20):
        bad, posterior, found = world(wrong, seed)
        estimates = precision_at_budgets(wrong_labels(found, ROWS, posterior), found, posterior, most)
        for side in ("value", "low", "high"):
            assert (np.diff([getattr(one, side) for one in estimates]) <= 1e-12).all()
        truth = [bad[:budget].mean() for budget in most]
        hits += sum(one.low - 1e-9 <= true <= one.high + 1e-9 for one, true in zip(estimates, truth, strict=True))
        tried += len(most)
        assert all(0 <= one.low <= one.value <= one.high <= 1 for one in estimates)
    assert hits >= 0.95 * tried


def test_a_share_has_the_exact_binomial_interval():
    found = share(3, 20)
    assert binom.sf(2, 20, found.low) == pytest.approx(0.025)
    assert binom.cdf(3, 20, found.high) == pytest.approx(0.025)
    assert (share(0, 5).low, share(5, 5).high) == (0.0, 1.0)


def test_budgets_end_with_the_rows_there_are_and_hold_the_flagged_ones():
    assert budgets(120, 7) == [1, 2, 5, 7, 10, 20, 50, 100, 120]
    assert budgets(120, 0) == [1, 2, 5, 10, 20, 50, 100, 120]
