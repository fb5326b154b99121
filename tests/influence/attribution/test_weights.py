"""Weights: rows of another domain get low ones, and a training that takes the weights is the better for them."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.weights import weights_by_ignoring, weights_by_influence
from culpa.influence.network import train
from tests.influence.network.small_trainings import DATA, RECIPES, blobs, sentences, small_training

WAYS = [weights_by_ignoring, weights_by_influence]


def with_strangers(seed=0):
    """Sentences, a quarter of them from a domain where the words that speak for a class speak for another."""
    tokens, labels = (part.clone() for part in sentences(150, seed))
    strange = torch.rand(150, generator=torch.Generator().manual_seed(seed + 5)) < 0.25
    tokens[strange, 0] = tokens[strange, 0] % 3 + 1
    tokens[strange, 1] = 19
    return (tokens, labels), strange


@pytest.mark.parametrize("weigh", WAYS)
@pytest.mark.parametrize("seed", [0, 1])
def test_rows_of_another_domain_get_low_weights_and_training_with_them_forgets_the_domain(weigh, seed):
    data, strange = with_strangers(seed)
    training, reference, test = train(RECIPES["words"], data, seed=seed), sentences(60, 20), sentences(300, 40)
    found = weigh(training, reference)
    assert found.shape == (150,)
    assert ((found >= 0) & (found <= 1)).all()
    assert roc_auc_score(~strange, found) > 0.95
    assert found[strange].mean() < 0.3 < 0.7 < found[~strange].mean()
    assert training.again(found).losses(test).mean() < training.losses(test).mean() / 2


@pytest.mark.parametrize("weigh", WAYS)
def test_wrong_labels_in_clouds_that_overlap_get_low_weights_and_the_loss_falls(weigh):
    """In the mean of three trainings; where clouds overlap no weight can tell all wrong labels."""
    areas, gains = [], []
    for seed in range(3):
        features, labels = (part.clone() for part in blobs(150, seed))
        wrong = torch.rand(150, generator=torch.Generator().manual_seed(seed + 5)) < 0.25
        labels[wrong] = (labels[wrong] + 1) % 3
        training, test = train(RECIPES["network"], (features, labels), seed=seed), blobs(300, seed + 40)
        found = weigh(training, blobs(60, seed + 20))
        areas.append(roc_auc_score(~wrong, found))
        gains.append(float(training.losses(test).mean() - training.again(found).losses(test).mean()))
    assert sum(areas) / 3 > 0.75
    assert min(gains) > 0
    assert sum(gains) / 3 > 0.05


@pytest.mark.parametrize("weigh", WAYS)
def test_the_same_training_gives_the_same_weights_and_is_not_changed(weigh):
    training = small_training("network")
    before = {name: value.clone() for name, value in training.module.state_dict().items()}
    reference = blobs(30, seed=1)
    assert torch.equal(weigh(training, reference), weigh(training, reference))
    assert all(torch.equal(value, before[name]) for name, value in training.module.state_dict().items())


@pytest.mark.parametrize("name", ["network", "numbers"])
def test_one_turn_moves_each_weight_by_the_influence_of_its_row(name):
    training, reference = small_training(name), DATA[name](30, seed=1)
    influence = attribute(training, "ekfac", Choices(seed=0)).on_mean(reference)
    expected = (1 + 0.3 * influence / influence.std()).clip(0, 1)
    torch.testing.assert_close(weights_by_influence(training, reference, turns=1), expected)
    alike = attribute(training.again(torch.full((60,), 1.0).sigmoid()), "dot", Choices(seed=0)).on_mean(reference)
    expected = (1 + 0.5 * alike / alike.std()).sigmoid()
    torch.testing.assert_close(weights_by_ignoring(training, reference, turns=1), expected)


@pytest.mark.parametrize("weigh", WAYS)
def test_no_turn_is_refused(weigh):
    with pytest.raises(ValueError, match="turns must be 1 or more, got 0"):
        weigh(small_training("network"), blobs(5, seed=1), turns=0)
