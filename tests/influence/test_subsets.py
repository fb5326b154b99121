"""Effects told by subsets: the arithmetic by hand, the draw of the subsets, and any estimator as a way to train."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from culpa.influence.subsets import (
    draw_subsets,
    effects,
    estimator_learner,
    own_effects,
    own_outcomes,
    trained_on,
)


@pytest.fixture
def drawn():
    """Masks of 30 subsets of 12 rows, and outcomes of five columns far from nought."""
    chance = np.random.default_rng(0)
    return draw_subsets(12, 30, seed=1), 1e4 + chance.normal(size=(30, 5))


def test_an_effect_is_the_mean_with_the_row_less_the_mean_without_it_and_its_error_that_of_two_means(drawn):
    masks, outcomes = drawn
    found = effects(masks, outcomes)
    for row in range(12):
        with_it, without = outcomes[masks[:, row]], outcomes[~masks[:, row]]
        np.testing.assert_allclose(found.values[row], with_it.mean(0) - without.mean(0), atol=1e-8)
        error = np.sqrt(with_it.var(0, ddof=1) / len(with_it) + without.var(0, ddof=1) / len(without))
        np.testing.assert_allclose(found.standard_errors[row], error, atol=1e-8)


def test_effects_on_oneself_are_the_diagonal(drawn):
    masks, _ = drawn
    outcomes = np.random.default_rng(2).normal(size=(30, 12))
    whole, own = effects(masks, outcomes), own_effects(masks, outcomes)
    np.testing.assert_allclose(own.values, np.diag(whole.values), atol=1e-12)
    np.testing.assert_allclose(own.standard_errors, np.diag(whole.standard_errors), atol=1e-12)


def test_known_effects_are_found_within_their_standard_errors():
    """Outcomes that are sums over the rows of a subset: 95 of 100 effects lie within two errors."""
    chance = np.random.default_rng(3)
    truth, masks = chance.normal(size=100), draw_subsets(100, 400, seed=0)
    found = effects(masks, masks @ truth[:, None] + chance.normal(size=(400, 1)))
    far = np.abs(found.values[:, 0] - truth) / found.standard_errors[:, 0]
    assert (far < 2).mean() >= 0.9
    assert (far > 0.5).any()


@pytest.mark.parametrize(("rows", "models", "share"), [(60, 8, 0.7), (7, 5, 0.5), (10, 4, 0.7), (11, 40, 0.9)])
def test_subsets_are_of_one_size_and_leave_every_row_out_equally_often(rows, models, share):
    masks = draw_subsets(rows, models, seed=0, share=share)
    assert set(masks.sum(axis=1)) == {round(share * rows)}
    out = (~masks).sum(axis=0)
    assert out.max() - out.min() <= 1
    assert not np.array_equal(masks, draw_subsets(rows, models, seed=1, share=share))


def test_rows_are_left_out_together_by_chance_alone():
    masks = draw_subsets(40, 4_000, seed=0)
    together = (~masks).T.astype(float) @ ~masks / 4_000
    expected = 12 * 11 / (40 * 39)
    assert np.abs(together[~np.eye(40, dtype=bool)] - expected).max() < 5 * np.sqrt(expected / 4_000)


def test_a_mislabeled_row_among_others_is_memorized_whole_and_those_others_not_at_all():
    """One nearest neighbour: the row has its label to itself, the others have each other."""
    features, labels = np.arange(20.0)[:, None], np.zeros(20, np.int64)
    labels[7] = 1
    learn = estimator_learner(KNeighborsClassifier(1), features, labels, 2)
    masks = draw_subsets(20, 30, seed=0)
    outcomes = np.stack([own_outcomes(predict(features), labels) for predict in trained_on(learn, masks, seed=0)])
    found = own_effects(masks, outcomes)
    assert found.values[7] == pytest.approx(1.0)
    assert np.abs(found.values[[0, 1, 2, 14, 19]]).max() == pytest.approx(0.0)


def test_a_row_harms_what_it_contradicts_under_any_estimator():
    chance = np.random.default_rng(0)
    features = chance.normal(size=(40, 2))
    labels = (features[:, 0] > 0).astype(np.int64)
    features[0], labels[0] = (2.0, 0.0), 0
    masks = draw_subsets(40, 60, seed=0)
    reference, truth = np.array([[2.0, 0.0], [-2.0, 0.0]]), np.array([1, 0])
    models = trained_on(estimator_learner(LogisticRegression(), features, labels, 2), masks, seed=0)
    found = effects(masks, np.stack([own_outcomes(predict(reference), truth) for predict in models]))
    assert found.values[0, 0] < -4 * found.standard_errors[0, 0]
    assert found.values[0, 0] == found.values[:, 0].min()


def test_numbers_are_judged_by_their_squared_errors_and_helpful_rows_are_positive():
    features = np.linspace(-1, 1, 20)[:, None]
    targets = 3 * features[:, 0]
    targets[19] = -9.0
    masks = draw_subsets(20, 60, seed=0)
    models = trained_on(estimator_learner(Ridge(alpha=1e-3), features, targets, 0), masks, seed=0)
    found = effects(masks, np.stack([own_outcomes(predict(features), 3 * features[:, 0]) for predict in models]))
    assert found.values.mean(axis=1).argmin() == 19
    assert found.values.mean(axis=1)[19] < 0 < found.values.mean(axis=1)[0]


def test_classes_that_a_subset_lacks_have_no_probability():
    features, labels = np.arange(6.0)[:, None], np.array([0, 0, 2, 2, 1, 1])
    predict = estimator_learner(LogisticRegression(), features, labels, 3)(labels != 1, 0)
    found = predict(features)
    assert found.shape == (6, 3)
    assert not found[:, 1].any()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_subsets_that_tell_nothing_are_refused():
    with pytest.raises(ValueError, match=r"the share 1\.0 of 10 rows leave 0 rows out.*the usual share is 0\.7"):
        draw_subsets(10, 5, seed=0, share=1.0)
    with pytest.raises(ValueError, match=r"row 1 is in 2 of 2 subsets, needed some with it and some without"):
        effects(np.array([[True, True], [False, True]]), np.zeros((2, 1)))
