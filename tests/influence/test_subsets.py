"""Effects told by subsets: the arithmetic by hand, the draw of the subsets, and estimators whose effects are known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from culpa.influence.subsets import draw_subsets, effects, own_effects


def trained_on(make, features, labels, masks):
    """One estimator for each subset."""
    return [make().fit(features[mask], labels[mask]) for mask in masks]


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
def test_every_row_is_in_as_many_models_as_any_other(rows, models, share):
    masks = draw_subsets(rows, models, seed=0, share=share)
    assert set(masks.sum(axis=0)) == {round(share * models)}
    assert not np.array_equal(masks, draw_subsets(rows, models, seed=1, share=share))


def test_whether_one_row_is_in_says_nothing_of_another():
    masks = draw_subsets(40, 4_000, seed=0).astype(float)
    between = np.corrcoef(masks.T)[~np.eye(40, dtype=bool)]
    assert np.abs(between).max() < 5 / np.sqrt(4_000)
    assert between.std() == pytest.approx(1 / np.sqrt(4_000), rel=0.15)


def test_a_mislabeled_row_among_others_is_memorized_whole_and_those_others_not_at_all():
    """One nearest neighbour: the row has its label to itself, the others have each other."""
    features, labels = np.arange(20.0)[:, None], np.zeros(20, np.int64)
    labels[7] = 1
    masks = draw_subsets(20, 30, seed=0)
    models = trained_on(lambda: KNeighborsClassifier(1), features, labels, masks)
    found = own_effects(masks, np.stack([model.predict(features) == labels for model in models]).astype(float))
    assert found.values[7] == pytest.approx(1.0)
    assert np.abs(found.values[[0, 1, 2, 14, 19]]).max() == pytest.approx(0.0)


def test_a_row_harms_what_it_contradicts():
    chance = np.random.default_rng(0)
    features = chance.normal(size=(40, 2))
    labels = (features[:, 0] > 0).astype(np.int64)
    features[0], labels[0] = (2.0, 0.0), 0
    masks = draw_subsets(40, 60, seed=0)
    models = trained_on(LogisticRegression, features, labels, masks)
    found = effects(masks, np.stack([model.predict_proba([[2.0, 0.0]])[:, 1] for model in models]))
    assert found.values[0, 0] < -4 * found.standard_errors[0, 0]
    assert found.values[0, 0] == found.values[:, 0].min()


def test_of_numbers_the_wrong_one_harms_and_the_others_help():
    features = np.linspace(-1, 1, 20)[:, None]
    targets = 3 * features[:, 0]
    targets[19] = -9.0
    masks = draw_subsets(20, 60, seed=0)
    models = trained_on(lambda: Ridge(alpha=1e-3), features, targets, masks)
    found = effects(masks, np.stack([-((model.predict(features) - 3 * features[:, 0]) ** 2) / 2 for model in models]))
    assert found.values.mean(axis=1).argmin() == 19
    assert found.values.mean(axis=1)[19] < 0 < found.values.mean(axis=1)[0]


def test_subsets_that_tell_nothing_are_refused():
    with pytest.raises(ValueError, match=r"2 models on the share 0\.9 of the rows have each row in 2 of them"):
        draw_subsets(10, 2, seed=0, share=0.9)
    with pytest.raises(ValueError, match=r"row 1 is in 2 of 2 subsets, needed some with it and some without"):
        effects(np.array([[True, True], [False, True]]), np.zeros((2, 1)))
