"""Leave-one-out is the training without the row, told exactly; and what it is too dear for."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.retraining import left_out
from culpa.influence.network import Recipe, train
from tests.influence.network.small_trainings import DATA, RECIPES, blobs, small_training


@pytest.mark.parametrize("name", RECIPES)
def test_a_score_is_the_rise_of_the_loss_when_the_row_is_left_out(name):
    training, reference = small_training(name), DATA[name](5, seed=1)
    found = attribute(training, "leave-one-out", Choices(seed=0))
    without = training.without(torch.tensor([7]))
    rise = without.losses(reference) - training.losses(reference)
    torch.testing.assert_close(found.between(reference)[7], rise, rtol=1e-3, atol=1e-5)
    own = without.losses([part[7:8] for part in training.data]) - training.losses([part[7:8] for part in training.data])
    torch.testing.assert_close(found.own()[7:8], own, rtol=1e-3, atol=1e-5)


def test_the_seed_of_the_choices_does_not_matter_that_of_the_training_does():
    training, reference = small_training("network"), blobs(5, seed=1)
    one, other = (attribute(training, "leave-one-out", Choices(seed=seed)).between(reference) for seed in (0, 1))
    assert torch.equal(one, other)
    again = attribute(small_training("network", seed=1), "leave-one-out", Choices(seed=0)).between(reference)
    assert (again - one).abs().max() > 1e-3


def test_influence_through_the_whole_curvature_foretells_it_in_a_linear_model():
    training = train(replace(RECIPES["linear"], epochs=100, batch_size=60, rate=1.0), blobs(), seed=0)
    reference = blobs(30, seed=1)
    truth = attribute(training, "leave-one-out", Choices(seed=0)).on_mean(reference)
    guess = attribute(training, "dense", Choices(seed=0, damping=1e-2)).on_mean(reference)
    assert spearmanr(truth, guess).statistic > 0.98


def test_rows_that_the_training_left_out_before_stay_out_and_change_nothing():
    training = small_training("network").without(torch.tensor([3, 4]))
    masks = torch.zeros(2, 60, dtype=torch.bool)
    masks[0, 3], masks[1, 5] = True, True
    same, other = left_out(training, masks)
    reference = blobs(5, seed=1)
    torch.testing.assert_close(same.losses(reference), training.losses(reference))
    assert other.weights[[3, 4, 5]].sum() == 0
    assert (other.losses(reference) - training.losses(reference)).abs().max() > 1e-4


def test_more_trainings_than_anybody_waits_for_are_refused():
    recipe = Recipe(lambda: nn.Linear(4, 3), rate=0.1, epochs=1, batch_size=3_000)
    training = train(recipe, blobs(2_001), seed=0)
    with pytest.raises(ValueError, match=r"each of 2,001 rows trains as many networks of 15 parameters.*subset-models"):
        attribute(training, "leave-one-out", Choices(seed=0))
