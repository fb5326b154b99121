"""Gradient rollback against updates taken back indeed, row by row, and against training again without the row."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.gradient_rollback import rolled_back
from culpa.influence.network import train
from culpa.influence.network.together import losses_together, train_together
from culpa.influence.network.training import copied_state
from tests.influence.network.small_trainings import DATA, RECIPES, blobs, small_training

MOMENTUM = replace(RECIPES["network"], epochs=3, rate=0.1, momentum=0.9, schedule="linear")


def losses_of(training, module, batch):
    with torch.no_grad():
        return training.recipe.objective.losses(module, batch)


def test_after_one_step_the_row_is_as_if_it_had_never_been_there():
    training = train(replace(RECIPES["network"], epochs=1, batch_size=60), blobs(), seed=0)
    for rows in (torch.tensor([7]), torch.tensor([0, 8, 59])):
        found, expected = rolled_back(training, rows).state_dict(), training.without(rows).module.state_dict()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("recipe", [RECIPES["network"], MOMENTUM], ids=["plain", "momentum"])
def test_with_the_updates_of_all_rows_taken_back_the_network_is_as_it_started(recipe):
    recipe = replace(recipe, make=lambda: RECIPES["network"].make().double(), l2=0.0)
    features, labels = blobs()
    training = train(recipe, (features.double(), labels), seed=0)
    start = train(replace(recipe, rate=1e-30), training.data, seed=0).module.state_dict()
    found = rolled_back(training, torch.arange(60)).state_dict()
    for name, value in start.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["network", "words"])
def test_scores_are_what_losses_gain_when_the_updates_are_taken_back_to_first_order(kind):
    """The smaller the rate, the closer: of first order in it is the gap, relative to the gain."""
    reference, gaps = DATA[kind](9, seed=1), []
    for rate in (1e-2, 1e-3):
        recipe = replace(RECIPES[kind], rate=rate, epochs=5, make=lambda: RECIPES[kind].make().double())
        features, labels = DATA[kind]()
        data = features.double() if features.is_floating_point() else features, labels
        there = reference[0].to(data[0]), reference[1]
        training = train(recipe, data, seed=0, weights=torch.linspace(0.5, 1.5, 60))
        found = attribute(training, "gradient-rollback", Choices(seed=0)).between(there)
        before = training.losses(there)
        modules = [rolled_back(training, torch.tensor([row])) for row in range(60)]
        gains = torch.stack([losses_of(training, module, there) - before for module in modules])
        gaps.append(float((found - gains).norm() / gains.norm()))
    assert gaps[1] < 1e-3
    assert gaps[1] < gaps[0] / 5


@pytest.mark.parametrize(
    ("kind", "recipe", "least"),
    [
        ("network", RECIPES["network"], 0.3),
        ("words", RECIPES["words"], 0.25),
        ("network", replace(RECIPES["network"], epochs=2), 0.85),
        ("words", replace(RECIPES["words"], epochs=3), 0.85),
        ("network", MOMENTUM, 0.85),
    ],
    ids=["network", "words", "network, under-trained", "words, under-trained", "momentum"],
)
def test_probabilities_fall_as_they_do_when_the_row_is_left_out(kind, recipe, least):
    training, reference = train(recipe, DATA[kind](), seed=0), DATA[kind](20, seed=1)
    weights = torch.ones(60, 60).fill_diagonal_(0)
    without = losses_together(train_together(recipe, training.data, seeds=[0] * 60, weights=weights), reference)
    truth = torch.exp(-training.losses(reference)) - torch.exp(-without)
    found = attribute(training, "gradient-rollback", Choices(seed=0, target="probability"))
    pairs = spearmanr(found.between(reference).flatten(), truth.flatten())
    means = spearmanr(found.on_mean(reference), truth.mean(1))
    assert pairs.statistic > least
    assert means.statistic > least
    assert max(pairs.pvalue, means.pvalue) < 1e-3


def test_self_scores_are_those_of_each_row_as_its_own_reference():
    for kind in ("network", "words"):
        training = small_training(kind)
        found = attribute(training, "gradient-rollback", Choices(seed=0))
        pairs = found.between(training.data)
        torch.testing.assert_close(found.own(), pairs.diagonal(), rtol=1e-4, atol=1e-5 * float(pairs.abs().max()))


def test_rolling_back_leaves_the_training_and_the_random_state_alone():
    training = small_training("network")
    before, chance = copied_state(training.module), torch.random.get_rng_state()
    changed = rolled_back(training, torch.tensor([3]))
    assert all(torch.equal(value, before[name]) for name, value in training.module.state_dict().items())
    assert not torch.equal(changed[0].weight, training.module[0].weight)
    assert torch.equal(torch.random.get_rng_state(), chance)


def test_an_optimizer_that_is_not_linear_is_refused():
    training = train(replace(RECIPES["network"], optimizer="adam", rate=0.05, epochs=1), blobs(), seed=0)
    with pytest.raises(ValueError, match="a step of adam is not linear"):
        attribute(training, "gradient-rollback", Choices(seed=0))
    with pytest.raises(ValueError, match="a step of adam is not linear"):
        rolled_back(training, torch.tensor([0]))
