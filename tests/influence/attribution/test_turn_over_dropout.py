"""Turn-over dropout: halves that never saw a row, by hand, and against networks trained without it."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import nn

from culpa.influence.attribution.subset_models import train_subset_models
from culpa.influence.attribution.turn_over_dropout import train_with_masks
from culpa.influence.network import losses_together, train, train_together
from tests.influence.network.small_trainings import CLASSES, DATA, RECIPES, blobs, small_training

WIDTH = 32


def wide():
    return nn.Sequential(nn.Linear(4, WIDTH), nn.Tanh(), nn.Linear(WIDTH, CLASSES))


class Pictures(nn.Module):
    """Two convolutions over the four numbers of a row as a picture."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 6, 1), nn.Conv2d(6, 4, 2)
        self.last = nn.Linear(4, CLASSES)

    def forward(self, features):
        hidden = torch.tanh(self.first(features.reshape(-1, 1, 2, 2)))
        return self.last(torch.tanh(self.second(hidden)).flatten(1))


@pytest.fixture(scope="module")
def noisy():
    """A wide network on rows of which five have a wrong label, and which these are."""
    features, labels = blobs()
    wrong = torch.arange(60) % 12 == 5
    labels = torch.where(wrong, (labels + 1) % CLASSES, labels)
    return train(replace(RECIPES["network"], make=wide), (features, labels), seed=0), wrong


@pytest.fixture(scope="module")
def halves(noisy):
    return train_with_masks(noisy[0], models=16, seed=0)


def test_a_score_is_what_the_loss_gains_from_one_half_to_the_other(noisy):
    training, reference = noisy[0], blobs(9, seed=1)
    found = train_with_masks(training, models=1, seed=4)
    module, masks = found.networks[0]
    kept = masks.kept["0"]
    first, _, last = module

    def losses(units, batch):
        hidden = torch.tanh((batch[0] @ first.weight.T + first.bias) * 2 * units)
        return nn.functional.cross_entropy(hidden @ last.weight.T + last.bias, batch[1], reduction="none")

    with torch.no_grad():
        expected = torch.stack([losses(~units, reference) - losses(units, reference) for units in kept])
        own = losses(~kept, training.data) - losses(kept, training.data)
    torch.testing.assert_close(found.between(reference), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.on_mean(reference), expected.mean(1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.own(), own, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["network", "words"])
def test_units_outside_its_half_learn_nothing_from_a_row(kind):
    """All other rows weigh nothing, so that whatever learnt, learnt from this one."""
    weights = torch.zeros(60)
    weights[7] = 1.0
    training = small_training(kind, weights=weights)
    start = train(replace(RECIPES[kind], rate=1e-30), DATA[kind](), seed=3).module
    module, masks = train_with_masks(
        replace(training, recipe=replace(training.recipe, l2=0.0)), models=1, seed=3
    ).networks[0]
    hidden, last = ("0", "2") if kind == "network" else ("embedding", "last")
    kept = masks.kept[hidden][7]
    into = [one.get_submodule(hidden).weight for one in (module, start)]
    moved = (into[0] - into[1]).abs().sum(1 if kind == "network" else 0)
    out_of = (module.get_submodule(last).weight - start.get_submodule(last).weight).abs().sum(0)
    for change in (moved, out_of):
        assert (change[kept] > 1e-5).all()
        assert (change[~kept] == 0).all()


def test_masks_are_half_of_the_units_by_position_and_seed(noisy):
    found = train_with_masks(noisy[0], models=2, seed=5)
    first, second = (masks.kept["0"] for _, masks in found.networks)
    assert (first.sum(1) == WIDTH // 2).all()
    assert len(set(map(tuple, first.tolist()))) == 60
    assert not torch.equal(first, second)
    assert torch.equal(train_with_masks(noisy[0], models=1, seed=6).networks[0][1].kept["0"], second)


def test_channels_of_convolutions_are_masked():
    training = train(replace(RECIPES["network"], make=Pictures, epochs=2), blobs(), seed=0)
    found = train_with_masks(training, models=1, seed=0)
    module, masks = found.networks[0]
    assert {name: units.shape[1] for name, units in masks.kept.items()} == {"first": 6, "second": 4}
    seen = {}
    for name in masks.kept:
        module.get_submodule(name).register_forward_hook(lambda *call, name=name: seen.update({name: call[2]}))
    found.own()
    for name, values in seen.items():
        on = values.flatten(2).abs().sum(2) > 0
        assert torch.equal(on, masks.kept[name])


def test_a_linear_model_has_its_inputs_masked():
    found = train_with_masks(small_training("linear"), models=1, seed=0)
    module, masks = found.networks[0]
    units = masks.kept[""][:1]
    assert units.sum() == 2
    masks.prepare(torch.tensor([0]))
    masked = blobs(1)[0] * 2 * units
    torch.testing.assert_close(module(blobs(1)[0]), masked @ module.weight.T + module.bias)


def test_own_scores_find_wrong_labels_and_agree_with_subset_models(noisy, halves):
    training, wrong = noisy
    assert roc_auc_score(wrong, halves.own()) > 0.8
    assert roc_auc_score(wrong, train_with_masks(training, models=1, seed=0).own()) > 0.8
    assert spearmanr(halves.own(), train_subset_models(training, models=100, seed=0).own()).statistic > 0.85


def test_pairs_agree_with_leaving_rows_out_beyond_chance(noisy, halves):
    training, reference = noisy[0], blobs(20, seed=1)
    weights = torch.ones(60, 60).fill_diagonal_(0)
    without = train_together(training.recipe, training.data, seeds=[0] * 60, weights=weights)
    truth = losses_together(without, reference) - training.losses(reference)
    pairs = spearmanr(halves.between(reference).flatten(), truth.flatten())
    means = spearmanr(halves.on_mean(reference), truth.mean(1))
    assert pairs.statistic > 0.25
    assert means.statistic > 0.4
    assert max(pairs.pvalue, means.pvalue) < 1e-3


def test_the_size_of_a_pass_changes_nothing(monkeypatch, halves):
    reference = blobs(9, seed=1)
    pairs, mean, own = halves.between(reference), halves.on_mean(reference), halves.own()
    monkeypatch.setattr("culpa.influence.attribution.turn_over_dropout.TOGETHER", 4)
    for one, other in ((halves.between(reference), pairs), (halves.on_mean(reference), mean), (halves.own(), own)):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_module_without_hidden_units_is_refused():
    recipe = replace(RECIPES["words"], make=lambda: nn.Sequential(nn.Embedding(20, 1), nn.Flatten(), nn.Linear(6, 3)))
    training = train(recipe, DATA["words"](), seed=0)
    with pytest.raises(ValueError, match=r"Sequential has no hidden layer with two units or more.*subset-models"):
        train_with_masks(training, models=1, seed=0)


def test_values_that_do_not_go_by_row_are_refused():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(1, 4), nn.Linear(4, CLASSES)

        def forward(self, features):
            return self.last(self.first(features.T[:, :, None]).sum(0))

    training = train(replace(RECIPES["network"], make=Turned, rate=0.01, epochs=1), blobs(), seed=0)
    with pytest.raises(ValueError, match=r"layer 'first' has values of 4 rows where 20 rows came"):
        train_with_masks(training, models=1, seed=0)
