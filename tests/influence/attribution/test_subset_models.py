"""Subset models agree with leave-one-out, with themselves, and with what their errors say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from culpa.influence.attribution.subset_models import train_subset_models
from culpa.influence.network import losses_together, train, train_together
from tests.influence.network.small_trainings import DATA, RECIPES, blobs, small_training

MODELS = 300


@pytest.fixture(scope="module")
def linear():
    """A linear training, subset models of it, and the rises of losses when single rows are left out."""
    training = small_training("linear")
    recipe = replace(training.recipe, checkpoints=1)
    left_out = train_together(recipe, training.data, seeds=[0] * 60, weights=1 - torch.eye(60))
    return training, train_subset_models(training, models=MODELS, seed=0), left_out


def test_they_order_rows_as_leaving_one_out_does(linear):
    training, found, left_out = linear
    reference = blobs(9, seed=1)
    truth = losses_together(left_out, reference) - training.losses(reference)
    own = losses_together(left_out, training.data).diagonal() - training.losses(training.data)
    assert spearmanr(found.own(), own).statistic > 0.95
    assert spearmanr(found.on_mean(reference), truth.mean(1)).statistic > 0.7
    assert spearmanr(found.between(reference).ravel(), truth.ravel()).statistic > 0.5


def test_a_row_moves_a_smaller_training_by_more(linear):
    """About 1 / share of what it moves the whole one."""
    training, found, left_out = linear
    own = losses_together(left_out, training.data).diagonal() - training.losses(training.data)
    slope = float(np.polyfit(own, found.own(), 1)[0])
    assert slope == pytest.approx(1 / 0.7, rel=0.2)


def test_two_halves_of_the_models_agree_on_memorization():
    training = small_training("network")
    halves = [train_subset_models(training, models=MODELS // 2, seed=seed) for seed in (10_000, 20_000)]
    found = [half.memorization() for half in halves]
    assert spearmanr(found[0].values, found[1].values).statistic > 0.8
    apart = found[0].values - found[1].values
    error = np.hypot(found[0].standard_errors, found[1].standard_errors)
    assert (np.abs(apart) < 2 * error).mean() > 0.85


def test_errors_shrink_with_the_root_of_the_number_of_models(linear):
    training, many, _ = linear
    few = train_subset_models(training, models=MODELS // 9, seed=5)
    reference = blobs(9, seed=1)
    ratio = few.with_errors(reference).standard_errors / many.with_errors(reference).standard_errors
    assert np.median(ratio) == pytest.approx(3, rel=0.15)


def test_memorization_is_high_where_the_label_is_wrong():
    features, labels = (part.clone() for part in blobs())
    wrong = torch.arange(60) % 12 == 5
    labels[wrong] = (labels[wrong] + 1) % 3
    training = train(replace(RECIPES["network"], epochs=60), (features, labels), seed=0)
    found = train_subset_models(training, models=40, seed=0).memorization().values
    assert found[wrong].min() > np.median(found[~wrong])
    assert found[wrong].mean() > 2 * found[~wrong].mean()


def test_rows_that_the_training_left_out_stay_out():
    training = train(RECIPES["linear"], blobs(), seed=0).without(torch.tensor([3]))
    found = train_subset_models(training, models=20, seed=0)
    assert all(float(network.weights[3]) == 0 for network in found.networks)


def test_memorization_is_asked_of_classifiers():
    found = train_subset_models(train(RECIPES["numbers"], DATA["numbers"](), seed=0), models=8, seed=0)
    assert found.own().shape == (60,)
    with pytest.raises(ValueError, match="the target 'probability' asks for class probabilities"):
        found.memorization()
