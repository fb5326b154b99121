"""The linear datamodeling score against scipy, row by row, and on scores whose worth is known."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from culpa.influence.attribution.datamodels import linear_datamodeling_score, rank_correlations


@pytest.fixture
def case():
    """True effects of 50 rows on 8 reference rows, and what models of 60 halves of the rows make of these."""
    chance = np.random.default_rng(0)
    truth = chance.normal(size=(50, 8))
    subsets = np.stack([chance.permutation(50) < 25 for _ in range(60)])
    return truth, subsets, subsets @ truth + chance.normal(size=(60, 8))


def test_it_is_the_mean_over_reference_rows_of_the_rank_correlation_of_summed_scores(case):
    truth, subsets, outputs = case
    scores = truth + np.random.default_rng(1).normal(size=truth.shape)
    found = linear_datamodeling_score(scores, subsets, outputs)
    expected = [spearmanr(subsets @ scores[:, row], outputs[:, row]).statistic for row in range(8)]
    np.testing.assert_allclose(found.by_reference, expected, atol=1e-12)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.standard_error == pytest.approx(np.std(expected, ddof=1) / np.sqrt(8))


def test_true_scores_are_worth_much_worse_ones_less_and_chance_nothing(case):
    truth, subsets, outputs = case
    chance = np.random.default_rng(1)
    found = [
        linear_datamodeling_score(truth + noise * chance.normal(size=truth.shape), subsets, outputs)
        for noise in (0, 1, 1e9)
    ]
    assert found[0].mean > 0.9 > found[1].mean > 0.4
    assert abs(found[2].mean) < 3 * found[2].standard_error
    assert linear_datamodeling_score(-truth, subsets, outputs).mean == pytest.approx(-found[0].mean)


def test_scores_of_nought_are_worth_nothing_and_ties_share_their_ranks(case):
    truth, subsets, outputs = case
    assert linear_datamodeling_score(np.zeros_like(truth), subsets, outputs).mean == 0.0
    one, other = np.array([[1.0], [1.0], [2.0], [3.0]]), np.array([[5.0], [4.0], [4.0], [9.0]])
    expected = spearmanr(one[:, 0], other[:, 0]).statistic
    assert rank_correlations(one, other)[0] == pytest.approx(expected)


def test_arrays_that_do_not_fit_are_refused(case):
    truth, subsets, outputs = case
    with pytest.raises(ValueError, match=r"scores \(50, 8\), subsets \(50, 60\) and outputs \(60, 8\) do not fit"):
        linear_datamodeling_score(truth, subsets.T, outputs)
