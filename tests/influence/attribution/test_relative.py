"""Relative influence by hand on a model of two parameters, and what it does to a row that shouts."""

import pytest
import torch
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.attribution import OverRows
from culpa.influence.attribution.by_curvature import influence_through
from culpa.influence.attribution.relative import relative_to_self, relative_to_step, steps
from culpa.influence.gradients import Regression
from culpa.influence.network import Recipe, Training, train
from tests.influence.network.small_trainings import DATA, RECIPES, small_training

REFERENCE = torch.ones(1, 2), torch.tensor([-1.0])


@pytest.fixture
def two_parameters():
    """Weights 0, rows (4, 0), (0, 2) and (0, 0) with gradients (4, 0), (0, 6) and 0: their influence, and its training.

    With damping 1 H = diag(19 / 3, 7 / 3); the reference row's gradient is (1, 1).
    """
    module = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(module.weight)
    data = torch.tensor([[4.0, 0.0], [0.0, 2.0], [0.0, 0.0]]), torch.tensor([-1.0, -3.0, -1.0])
    recipe = Recipe(lambda: module, rate=1, epochs=1, objective=Regression())
    training = Training(recipe, data, 0, module.eval(), ())
    return influence_through("dense", training, Choices(seed=0, damping=1.0)), training


def test_relative_to_itself_by_hand(two_parameters):
    influence, training = two_parameters
    found = relative_to_self(OverRows(influence, training.batches()))
    effects = torch.tensor([4 / (19 / 3), 6 / (7 / 3), 0]) / 3
    own = torch.tensor([16 / (19 / 3), 36 / (7 / 3), 0]) / 3
    expected = torch.tensor([effects[0] / own[0].sqrt(), effects[1] / own[1].sqrt(), 0])
    torch.testing.assert_close(found.between(REFERENCE)[:, 0], expected)
    torch.testing.assert_close(found.on_mean(REFERENCE), expected)
    torch.testing.assert_close(found.own(), own.sqrt())


def test_relative_to_the_step_by_hand(two_parameters):
    """Along one parameter alone a step of length 1 changes the reference loss by that parameter's gradient, 1."""
    influence, training = two_parameters
    step = steps(influence, training)
    torch.testing.assert_close(step, torch.tensor([4 / (19 / 3), 6 / (7 / 3), 0]) / 3)
    found = relative_to_step(OverRows(influence, training.batches()), step)
    torch.testing.assert_close(found.between(REFERENCE)[:, 0], torch.tensor([1.0, 1.0, 0.0]))
    torch.testing.assert_close(found.own(), torch.tensor([4.0, 6.0, 0.0]))


@pytest.mark.parametrize("method", ["relative-self", "relative-step"])
def test_the_sign_is_that_of_influence_and_the_size_is_the_rows_own(method):
    training, reference = small_training("words"), DATA["words"](9, seed=1)
    inner, found = (attribute(training, name, Choices(seed=0)).between(reference) for name in ("ekfac", method))
    assert torch.equal(found.sign(), inner.sign())
    sizes = inner / found
    torch.testing.assert_close(sizes, sizes[:, :1].expand_as(sizes), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["relative-self", "relative-step"])
def test_rows_that_shout_have_fewer_first_places(method):
    """Five rows of sixty have a wrong label: by influence alone they answer for others than their own kind."""
    features, labels = (part.clone() for part in DATA["network"]())
    wrong = torch.arange(60) % 12 == 5
    labels[wrong] = (labels[wrong] + 1) % 3
    training, reference = train(RECIPES["network"], (features, labels), seed=0), DATA["network"](60, seed=1)
    first = {}
    for name in ("ekfac", method):
        scores = attribute(training, name, Choices(seed=0)).between(reference)
        first[name] = float(wrong[scores.abs().argmax(0)].float().mean())
    assert first["ekfac"] > 3 * 5 / 60
    assert first[method] < 0.6 * first["ekfac"]
