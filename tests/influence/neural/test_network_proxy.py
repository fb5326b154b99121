"""Networks as proxies: the laws of every proxy, folds that never saw their rows, and methods that train again."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.folds import assign_folds
from culpa.influence.gradients import Classification
from culpa.influence.network import Recipe, train
from culpa.influence.neural import Judge, fit_network
from culpa.influence.neural.rows import batch_of, scale_of
from culpa.influence.rows import Rows
from tests.influence.small_rows import labelled, measured

RECIPE = Recipe(
    lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)), rate=0.5, epochs=20, batch_size=30, l2=1e-3
)
NUMBERS = replace(RECIPE, make=lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), rate=0.1)
COLUMNS = ("without", "own_with", "own_without", "self_influence")


@pytest.fixture(params=["classes", "numbers"])
def rows(request):
    return labelled(flipped=0.1)[0] if request.param == "classes" else measured()


def fit(rows, keep=None, **options):
    return fit_network("network", RECIPE if rows.classes else NUMBERS, rows, keep, seed=0, **options)


def test_probabilities_lie_strictly_between_0_and_1_and_add_up_to_1():
    rows, _ = labelled(flipped=0.1)
    without = fit(rows).scores().without
    assert without.shape == (len(rows), 3)
    assert (without > 0).all()
    assert (without < 1).all()
    np.testing.assert_allclose(without.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_everything_is_finite_and_self_influence_never_negative(rows):
    keep = np.arange(len(rows)) % 5 > 0
    scores = fit(rows, keep).scores()
    assert (scores.self_influence >= 0).all()
    for column in COLUMNS:
        assert len(getattr(scores, column)) == len(rows)
        assert np.isfinite(getattr(scores, column)).all(), column


def test_the_same_seed_gives_the_same_scores(rows):
    reference = rows.take(np.arange(40))
    first, second = fit(rows), fit(rows)
    np.testing.assert_array_equal(first.scores().without, second.scores().without)
    np.testing.assert_array_equal(first.influence_on(reference).mean, second.influence_on(reference).mean)


def test_a_row_that_is_not_kept_influences_no_other_row(rows):
    keep = np.arange(len(rows)) != 7
    moved = Rows(rows.features.copy(), rows.labels, rows.classes, rows.groups)  # its label has a say in the folds
    moved.features[7] = 3.0
    one, other = (fit(some, keep).scores() for some in (rows, moved))
    np.testing.assert_array_equal(one.without[keep], other.without[keep])


def test_without_a_row_means_trained_without_its_fold(rows):
    fitted = fit(rows)
    found = fitted.scores().without
    turn = assign_folds(rows, 5) == 3
    scale = scale_of(rows)
    part = train(fitted.training.recipe, batch_of(rows.take(~turn), "features", scale), seed=0)
    with torch.no_grad():
        raw = part.module(torch.as_tensor(rows.features[turn], dtype=torch.float32))
    expected = raw.softmax(1) if rows.classes else raw * scale.spread + scale.middle
    np.testing.assert_allclose(found[turn], expected.double().numpy(), rtol=1e-5, atol=1e-6)


def test_influence_on_reference_rows_is_that_of_the_pairs(rows):
    reference = rows.take(np.arange(0, len(rows), 4))
    fitted = fit(rows)
    found = fitted.influence_on(reference)
    pairs = fitted.influence_between(np.arange(len(rows)), reference)
    np.testing.assert_allclose(found.mean, pairs.mean(axis=1), rtol=1e-3, atol=1e-6 * np.abs(pairs).max())
    expected = pairs.std(axis=1) / np.sqrt(len(reference) - 1)
    np.testing.assert_allclose(found.standard_error, expected, rtol=1e-2, atol=1e-6 * np.abs(pairs).max())
    if rows.classes:
        by_class = np.stack([pairs[:, reference.labels == one].mean(axis=1) for one in range(3)], axis=1)
        np.testing.assert_allclose(found.by_class, by_class, rtol=1e-3, atol=1e-6 * np.abs(pairs).max())
        choices, data = Choices(seed=0, target="probability"), batch_of(reference, "features", scale_of(reference))
        expected = attribute(fitted.training, "ekfac", choices).on_mean(data)
        np.testing.assert_allclose(found.on_probability, expected, rtol=1e-3, atol=1e-7)


def test_wrong_labels_are_improbable_and_harm(rows):
    if not rows.classes:
        pytest.skip("labels of classes are flipped")
    rows, wrong = labelled(flipped=0.1)
    flipped = np.zeros(len(rows), np.bool_)
    flipped[wrong] = True
    fitted = fit(rows)
    scores, clean = fitted.scores(), labelled(60, seed=1)[0]
    own = scores.without[np.arange(len(rows)), rows.labels]
    assert roc_auc_score(flipped, -own) > 0.9
    assert roc_auc_score(flipped, -fitted.influence_on(clean).mean) > 0.8


def test_a_fold_that_was_trained_is_not_trained_again(rows):
    fitted = fit(rows)
    fitted.scores()
    left = assign_folds(rows, 5) != 2
    assert fitted.again(rows, left).training is fitted.folds[left.tobytes()]
    anew = fitted.again(rows, np.arange(len(rows)) != 3)
    assert anew.training is not fitted.training
    assert len(anew.training) == len(rows) - 1


def test_a_method_that_trains_again_scores_rows_that_are_not_kept_too():
    rows, _ = labelled(40, flipped=0.1)
    keep = np.arange(40) > 3
    reference = labelled(20, seed=1)[0]
    by_dot = fit(rows, keep, judge=Judge(method="tracin")).influence_on(reference).mean
    assert (by_dot != 0).all()


def test_it_tells_how_each_row_was_learnt(rows):
    keep = np.arange(len(rows)) != 7
    fitted = fit(rows, keep)
    learning = fitted.learning()
    assert all(len(values) == len(rows) for values in learning.values())
    assert np.isfinite(learning["mean_loss"]).all()
    again = fitted.again(rows, keep).learning()
    assert all(np.array_equal(again[name], values, equal_nan=True) for name, values in learning.items())
    assert fitted.again(rows.take(keep), keep[keep]).learning() == {}


def test_it_can_be_pickled_though_its_recipe_is_made_of_lambdas(rows):
    fitted = fit(rows)
    before = fitted.scores()
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.scores().without, before.without)
    assert again.folds.keys() == fitted.folds.keys()


def test_patience_ends_the_training_of_a_network_that_only_learns_noise():
    rows, _ = labelled(flipped=0.1)
    lots = Rows(rows.features, np.random.default_rng(0).permutation(rows.labels), 3, rows.groups)
    patient = replace(RECIPE, epochs=200, patience=3)
    fitted = fit_network("network", patient, lots, seed=0)
    assert fitted.report()["epochs"] < 50
    told = fit_network("network", patient, lots, seed=0, held_out=labelled(60, seed=1)[0])
    assert told.report()["epochs"] < 200


def test_rows_without_tokens_are_refused_by_a_network_that_reads():
    rows, _ = labelled()
    with pytest.raises(ValueError, match="the network reads tokens, and the rows have none"):
        fit_network("network", replace(RECIPE, inputs="tokens"), rows, seed=0)


def test_an_objective_that_does_neither_is_refused():
    class Odd(Classification):
        pass

    rows, _ = labelled()
    assert fit_network("network", replace(RECIPE, objective=Odd()), rows, seed=0).scores().without.shape[1] == 3
    with pytest.raises(ValueError, match="none of 240 rows is kept"):
        fit(rows, np.zeros(len(rows), np.bool_))
