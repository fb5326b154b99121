"""A training walked backwards: the states are those it went through, kept or trained again, to the same bits."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from culpa.influence.network import train
from culpa.influence.network.steps import recorded
from culpa.influence.network.training import copied_state
from tests.influence.network.small_trainings import CLASSES, DATA, RECIPES, blobs


class Eye:
    """Sees every step and the state it finds."""

    def __init__(self):
        self.seen = []

    def step(self, moment):
        self.seen.append((moment.step, moment.rate, moment.rows, copied_state(moment.module)))

    def epoch(self, number, module):
        pass


def fragile():
    """Dropout draws in every step, and the norm keeps statistics beside its parameters."""
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, CLASSES))


TRAININGS = {
    "network": RECIPES["network"],
    "words": replace(RECIPES["words"], epochs=3),
    "dropout": replace(RECIPES["network"], make=fragile, epochs=4, schedule="cosine"),
    "kept weights": replace(RECIPES["network"], epochs=3),
}


@pytest.mark.parametrize("most", [2**28, 0], ids=["every state kept", "stretches trained again"])
@pytest.mark.parametrize("name", TRAININGS)
def test_the_steps_come_back_from_the_last_to_the_first_bit_by_bit(name, most):
    data = DATA["words" if name == "words" else "network"]()
    weights = torch.linspace(0, 2, 60) if name == "kept weights" else None
    training, eye = train(TRAININGS[name], data, seed=3, weights=weights), Eye()
    training.again(weights, eye)
    steps = recorded(training, most)
    assert len(steps.stretches) == (len(eye.seen) if most else -(-len(eye.seen) // root(len(eye.seen))))
    for _ in range(2):
        found = steps.backwards()
        for number, rate, rows, state in reversed(eye.seen):
            moment = next(found)
            assert (moment.step, moment.rate) == (number, rate)
            assert torch.equal(moment.rows, rows)
            assert all(torch.equal(value, state[key]) for key, value in moment.module.state_dict().items())
        assert next(found, None) is None


def root(steps):
    return next(number for number in range(1, steps + 1) if number * number >= steps)


def test_the_training_and_the_random_state_are_left_alone():
    training = train(TRAININGS["dropout"], blobs(), seed=0)
    before, chance = copied_state(training.module), torch.random.get_rng_state()
    for moment in recorded(training, 0).backwards():
        assert moment.module is not training.module
    assert all(torch.equal(value, before[key]) for key, value in training.module.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), chance)


def test_momentum_is_kept_whole_or_refused():
    training = train(replace(RECIPES["network"], epochs=2, momentum=0.9, rate=0.1), blobs(), seed=0)
    assert len(list(recorded(training).backwards())) == 6
    with pytest.raises(ValueError, match=r"6 steps of this network are 402 numbers, 100 can be kept.*momentum 0"):
        recorded(training, 100)
