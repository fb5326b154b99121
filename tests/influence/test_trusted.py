"""What trusted rows teach: how wrong labels look, how many there are, and at which strength influence shows them."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from culpa.influence import trusted
from culpa.influence.assess import score_rows, train_proxies
from culpa.influence.linear import fit_linear
from culpa.influence.rows import Rows
from culpa.influence.trusted import learn_from
from tests.influence.small_rows import labelled, relabelled


def noisy(count=500, wrong=0.25, seed=0):
    return labelled(count, flipped=wrong, features=5, seed=seed)


@pytest.fixture(scope="module")
def learnt():
    """Rows, which are wrong, trusted rows, the trained proxies, and what the trusted rows taught."""
    rows, wrong = noisy()
    reference = noisy(150, 0.0, seed=1)[0]
    trained = train_proxies(rows, proxy="auto", seed=0, rounds=1)
    return rows, wrong, reference, trained, learn_from(trained, rows, reference)


def test_the_share_of_wrong_labels_is_found(learnt):
    _, wrong, _, _, view = learnt
    assert view.probability_wrong.mean() == pytest.approx(wrong.mean(), abs=0.06)
    assert view.report["expected_wrong"] == pytest.approx(view.probability_wrong.sum())
    assert view.report["wrong_rate_by_agreement"] == pytest.approx(wrong.mean(), abs=0.08)


def test_suspicion_is_the_log_odds_and_finds_the_wrong_ones(learnt):
    _, wrong, _, _, view = learnt
    np.testing.assert_allclose(view.probability_wrong, 1 / (1 + np.exp(-view.suspicion)), rtol=0, atol=1e-12)
    assert roc_auc_score(wrong, view.suspicion) > 0.95
    sure = view.probability_wrong > 0.9
    assert wrong[sure].mean() > 0.85


def test_the_influence_is_that_of_the_strength_it_reports(learnt):
    rows, _, reference, trained, view = learnt
    again = fit_linear(rows, trained.keep, l2=view.report["influence_l2"]).influence_on(reference)
    np.testing.assert_allclose(view.influence.mean, again.mean, rtol=0, atol=1e-7)
    strength = view.report["influence_l2"] * trained.keep.sum()
    assert any(strength == pytest.approx(one) for one in trusted.STRENGTHS)


def test_planted_wrong_labels_harm_and_right_ones_help(learnt):
    rows, _, reference, trained, view = learnt
    fitted = fit_linear(rows, trained.keep, l2=view.report["influence_l2"])
    found = fitted.influence_of_candidates(reference, len(reference))
    right = found[np.arange(len(reference)), reference.labels]
    assert (right > 0).mean() > 0.9
    others = found[~np.eye(3, dtype=bool)[reference.labels]]
    assert (others < 0).mean() > 0.6
    assert 0.9 < view.report["planted_auroc"] <= 1


def test_clean_rows_are_mostly_believed():
    rows, _ = noisy(300, 0.0)
    trained = train_proxies(rows, proxy="linear", seed=0, rounds=0)
    view = learn_from(trained, rows, noisy(100, 0.0, seed=1)[0])
    assert view.probability_wrong.mean() < 0.08


def test_rates_are_found_back_from_simulated_odds():
    chance = np.random.default_rng(0)
    for rate in (0.05, 0.3):
        wrong = chance.random(20_000) < rate
        odds = np.where(wrong, 1, -1) * 2.0 + 2 * chance.standard_normal(20_000)  # log-odds of two normal laws: x
        assert trusted._rate_by_odds(odds) == pytest.approx(rate, abs=0.03)


def test_trusted_rows_of_one_class_say_nothing_of_the_rate():
    rows, _ = noisy(200)
    reference = relabelled(noisy(20, seed=1)[0], slice(None), 1)
    assert trusted._rate_by_agreement(rows, reference) == 0.0


def test_classes_that_no_trusted_row_has_are_scored_too():
    rows, wrong = noisy(300)
    reference = noisy(120, 0.0, seed=1)[0]
    two = reference.take(reference.labels < 2)
    scored = score_rows(train_proxies(rows, proxy="linear", seed=0, rounds=0), rows, reference=two)
    for name, values in scored.scores.items():
        assert np.isfinite(values).all(), name
    assert roc_auc_score(wrong, scored.scores["suspicion"]) > 0.8


def test_the_order_of_the_trusted_rows_does_not_matter(learnt):
    rows, _, reference, trained, view = learnt
    order = np.random.default_rng(0).permutation(len(reference))
    again = learn_from(trained, rows, reference.take(order))
    np.testing.assert_allclose(again.suspicion, view.suspicion, rtol=0, atol=1e-3)


def test_trusted_rows_are_not_changed_by_the_training_labels_of_their_copies(learnt):
    rows, _, reference, _, _ = learnt
    both = Rows(
        np.concatenate([rows.features, reference.features[:5]]),
        np.concatenate([rows.labels, (reference.labels[:5] + 1) % 3]),
        3,
        np.arange(505),
    )
    again = train_proxies(both, proxy="linear", seed=0, rounds=0)
    view = learn_from(again, both, reference)
    assert (view.probability_wrong[-5:] > 0.5).all()
