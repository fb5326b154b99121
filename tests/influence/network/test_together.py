"""Networks trained at once are the networks trained one by one, whatever their layers, optimizer and schedule."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from culpa.influence.gradients import target_losses
from culpa.influence.network import Recipe, train
from culpa.influence.network import together as module
from culpa.influence.network.together import losses_together, train_together
from tests.influence.network.small_trainings import CLASSES, DATA, RECIPES, WORDS, blobs, sentences

SEEDS = [0, 1, 1, 5]


class Tied(nn.Module):
    """One table reads the words and names them."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 5)
        self.last = nn.Linear(5, WORDS, bias=False)
        self.last.weight = self.embedding.weight

    def forward(self, tokens):
        return self.last(torch.tanh(self.embedding(tokens).mean(1)))


class Remembering(nn.Module):
    """A recurrent layer, for which torch has no rule."""

    def __init__(self):
        super().__init__()
        self.embedding, self.memory, self.last = nn.Embedding(WORDS, 5), nn.LSTM(5, 4), nn.Linear(4, CLASSES)

    def forward(self, tokens):
        return self.last(self.memory(self.embedding(tokens).movedim(1, 0))[0][-1])


def normed():
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Linear(8, CLASSES))


def frozen():
    return nn.Sequential(nn.Linear(4, 8).requires_grad_(False), nn.Tanh(), nn.Linear(8, CLASSES))


def dropping():
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, CLASSES))


SHORT = {"rate": 0.3, "epochs": 3, "batch_size": 25, "l2": 1e-2}
CASES = {
    **{name: (RECIPES[name], DATA[name]()) for name in RECIPES},
    "momentum": (replace(RECIPES["network"], momentum=0.9, rate=0.1, schedule="linear"), blobs()),
    "adam": (replace(RECIPES["words"], optimizer="adam", rate=0.05, schedule="cosine"), sentences()),
    "normed": (Recipe(normed, **SHORT), blobs()),
    "frozen": (Recipe(frozen, **SHORT), blobs()),
    "tied": (Recipe(Tied, **SHORT), sentences()),
}
ALONE = {"dropping": (Recipe(dropping, **SHORT), blobs()), "remembering": (Recipe(Remembering, **SHORT), sentences())}


def some_weights():
    return 2.0 * torch.rand(len(SEEDS), 60, generator=torch.Generator().manual_seed(0)).round()


def assert_same(found, expected):
    assert found.seed == expected.seed
    assert [one.rate for one in found.checkpoints] == [one.rate for one in expected.checkpoints]
    states = [(found.module.state_dict(), expected.module.state_dict())]
    states += [(one.state, other.state) for one, other in zip(found.checkpoints, expected.checkpoints, strict=True)]
    for one, other in states:
        torch.testing.assert_close(dict(one), dict(other), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*CASES, *ALONE])
def test_networks_trained_at_once_are_those_trained_one_by_one(name):
    recipe, data = {**CASES, **ALONE}[name]
    weights = some_weights()
    found = train_together(recipe, data, seeds=SEEDS, weights=weights)
    for one, seed, own in zip(found, SEEDS, weights, strict=True):
        assert_same(one, train(recipe, data, seed=seed, weights=own))
        assert torch.equal(one.weights, own)
        assert not one.module.training


@pytest.mark.parametrize("name", CASES)
def test_they_are_not_secretly_trained_one_by_one(name, monkeypatch):
    monkeypatch.setattr(module, "train", None)
    recipe, data = CASES[name]
    train_together(replace(recipe, epochs=1), data, seeds=SEEDS)


def test_one_seed_for_all_leaves_rows_out_of_one_training():
    recipe, data = RECIPES["network"], blobs()
    weights = 1 - torch.eye(60)[:5]
    found = train_together(recipe, data, seeds=[3] * 5, weights=weights)
    whole = train(recipe, data, seed=3)
    for row, one in enumerate(found):
        assert_same(one, whole.without(torch.tensor([row])))


def test_small_groups_give_the_same_networks(monkeypatch):
    recipe, data = RECIPES["words"], sentences()
    at_once = train_together(recipe, data, seeds=SEEDS)
    monkeypatch.setattr(module, "_group_size", lambda *_: 3)
    for one, other in zip(train_together(recipe, data, seeds=SEEDS), at_once, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("name", [*CASES, *ALONE])
@pytest.mark.parametrize("target", [None, "probability", "margin"])
def test_their_losses_at_once_are_those_one_by_one(name, target):
    recipe, data = {**CASES, **ALONE}[name]
    if target is not None and name == "numbers":
        pytest.skip("it has no classes")
    losses = target and target_losses(recipe.objective, target)
    found = train_together(replace(recipe, epochs=2), data, seeds=SEEDS)
    numbers = losses or recipe.objective.losses
    with torch.no_grad():
        expected = torch.stack([numbers(one.module, data) for one in found])
    torch.testing.assert_close(losses_together(found, data, losses), expected, rtol=1e-4, atol=1e-5)


def test_no_seed_is_no_network_and_the_random_state_stays():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    assert train_together(RECIPES["linear"], blobs(), seeds=[]) == []
    train_together(RECIPES["linear"], blobs(), seeds=[0, 1])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_a_training_refuses_trainings_at_once_refuse():
    with pytest.raises(ValueError, match=r"the loss is not finite in epoch \d+ at the learning rate 1e\+30: lower"):
        train_together(replace(RECIPES["numbers"], rate=1e30), DATA["numbers"](), seeds=[0, 1])
    with pytest.raises(ValueError, match=r"weights of the shape \(60,\) came for 2 networks and 60 rows"):
        train_together(RECIPES["linear"], blobs(), seeds=[0, 1], weights=torch.ones(60))
    still = Recipe(lambda: nn.Linear(4, 3).requires_grad_(False), rate=0.1, epochs=1)
    with pytest.raises(ValueError, match="Linear has no parameter that learns"):
        train_together(still, blobs(), seeds=[0, 1])
