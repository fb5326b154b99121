"""Scores against real retraining without a row, on digits.

The large table is in `tests/benchmarks/leave_one_out.py`.
"""

import numpy as np
import pytest
from scipy.stats import spearmanr

from culpa.influence.linear import fit_linear
from tests.influence.linear import dense
from tests.influence.linear.retraining import digits, remove_each

TRAINING, REMOVED = 1_000, 200
SHARES = {"clean": 0.0, "a tenth of the labels wrong": 0.1}


@pytest.fixture(scope="module", params=SHARES)
def case(request):
    """The training rows, their fit at the chosen strength, reference rows, the rows removed, what removing them did."""
    rows, reference = digits(TRAINING, SHARES[request.param], seed=0)
    fitted = fit_linear(rows)
    removed = np.random.default_rng(1).choice(TRAINING, REMOVED, replace=False)
    truth = remove_each(rows, reference, fitted.weights, TRAINING * fitted.strength.l2, removed)
    return rows, fitted, reference, removed, truth


def rank_correlation(found, truth):
    return spearmanr(found, truth).statistic


def test_the_proxys_own_fit_without_a_row_tells_the_same_truth(case):
    rows, fitted, reference, removed, truth = case
    before = dense.losses(reference, fitted.weights).mean()
    for place in (0, 50):
        kept = np.arange(TRAINING) != removed[place]
        l2 = fitted.strength.l2 * TRAINING / (TRAINING - 1)
        weights = fit_linear(rows, kept, l2=l2, start=fitted.weights).weights
        assert dense.losses(reference, weights).mean() - before == pytest.approx(truth.reference_loss[place], abs=1e-7)


def test_self_influence_orders_rows_as_retraining_does(case):
    _, fitted, _, removed, truth = case
    assert rank_correlation(fitted.scores().self_influence[removed], truth.own_loss) > 0.999


def test_memorization_is_that_of_retraining(case):
    _, fitted, _, removed, truth = case
    scores = fitted.scores()
    found = (scores.own_with - scores.own_without)[removed]
    assert rank_correlation(found, truth.memorization) > 0.999
    assert np.abs(found - truth.memorization).mean() < 0.005


def test_influence_orders_rows_as_retraining_moves_the_mean_reference_loss(case):
    _, fitted, reference, removed, truth = case
    found = fitted.influence_on(reference).removal[removed]
    assert rank_correlation(found, truth.reference_loss) > 0.9995
    assert np.mean(np.sign(found) == np.sign(truth.reference_loss)) > 0.98
    largest = np.abs(truth.reference_loss).max()
    assert np.abs(found - truth.reference_loss).max() < 0.05 * largest
