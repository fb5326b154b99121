"""Influence by layers: the parts add up, each is a frozen model's, and votes find wrong labels that the mean misses."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.by_layer import by_layer, groups_of, right
from culpa.influence.detection import area_under_rates, noise_detection_rate
from culpa.influence.network import Recipe, train
from tests.influence.network.small_trainings import DATA, Reader, small_training


@pytest.mark.parametrize("curvature", ["identity", "ekfac", "datainf", "dense"])
@pytest.mark.parametrize("kind", ["network", "words"])
def test_layers_add_up_to_the_whole_influence(curvature, kind):
    training, reference, choices = small_training(kind), DATA[kind](9, seed=1), Choices(seed=0)
    found = by_layer(training, reference, choices, curvature=curvature)
    method = {"identity": "dot"}.get(curvature, curvature)
    expected = attribute(training, method, choices).between(reference)
    assert found.influence.shape == (60, 2, 9)
    bound = 1e-5 * float(expected.abs().max())
    torch.testing.assert_close(found.influence.sum(1), expected, rtol=1e-4, atol=bound)


@pytest.mark.parametrize("curvature", ["ekfac", "diagonal", "datainf"])
def test_each_layer_is_the_influence_of_a_model_whose_other_layers_are_frozen(curvature):
    training, reference = small_training("words"), DATA["words"](9, seed=1)
    found = by_layer(training, reference, Choices(seed=0), curvature=curvature)
    assert found.layers == ("embedding", "last")
    for place, layer in enumerate(found.layers):
        alone = attribute(training, curvature, Choices(seed=0, layers=[layer])).between(reference)
        torch.testing.assert_close(found.influence[:, place], alone, rtol=1e-4, atol=1e-6 * float(alone.abs().max()))


def test_groups_sum_their_layers():
    class Deep(Reader):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(3, 5), nn.Linear(5, 3)

        def forward(self, tokens):
            return self.outer(torch.tanh(self.inner(super().forward(tokens))))

    training = train(Recipe(Deep, rate=0.1, epochs=2), DATA["words"](), seed=0)
    groups = groups_of(training.module)
    assert groups == {"embedding": ["embedding"], "hidden": ["last", "inner"], "last": ["outer"]}
    found = by_layer(training, DATA["words"](9, seed=1), Choices(seed=0))
    grouped = found.grouped(groups)
    assert grouped.layers == ("embedding", "hidden", "last")
    torch.testing.assert_close(grouped.influence[:, 1], found.influence[:, 1] + found.influence[:, 2])
    torch.testing.assert_close(grouped.influence[:, [0, 2]], found.influence[:, [0, 3]])
    assert set(groups_of(small_training("linear").module)) == {"last"}


def test_reference_rows_that_the_model_gets_wrong_can_be_left_out():
    training, (features, labels) = small_training("network"), DATA["network"](30, seed=1)
    labels[:6] = (labels[:6] + 1) % 3
    mask = right(training, (features, labels))
    with torch.no_grad():
        predicted = training.module(features).argmax(1)
    assert torch.equal(mask, predicted == labels)
    assert 0 < mask.sum() < 30
    every = by_layer(training, (features, labels), Choices(seed=0))
    found = by_layer(training, (features, labels), Choices(seed=0), only_right=True)
    assert torch.equal(found.labels, labels[mask])
    torch.testing.assert_close(found.influence, every.influence[:, :, mask], rtol=1e-4, atol=1e-7)
    with pytest.raises(ValueError, match="the model gets no reference row right"):
        by_layer(training, (features, (predicted + 1) % 3), Choices(seed=0), only_right=True)


@pytest.fixture(scope="module")
def noisy_digits():
    """A network of digits, a fifth of whose labels are wrong; reference rows; which are wrong."""
    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:600]
    features, labels = torch.tensor(pixels / 16, dtype=torch.float32)[order], torch.tensor(labels)[order]
    wrong = torch.rand(500, generator=torch.Generator().manual_seed(3)) < 0.2
    given = torch.where(wrong, (labels[:500] + 1 + torch.arange(500) % 9) % 10, labels[:500])
    recipe = Recipe(
        lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)),
        rate=0.3,
        epochs=25,
        batch_size=50,
        l2=1e-3,
    )
    return train(recipe, (features[:500], given), seed=0), (features[500:], labels[500:]), wrong.numpy()


@pytest.mark.parametrize("only_right", [False, True])
@pytest.mark.parametrize(("curvature", "gain"), [("identity", 0.1), ("datainf", 0.1), ("ekfac", 0.03)])
def test_votes_over_layers_and_reference_rows_find_more_wrong_labels_than_their_mean(
    noisy_digits, curvature, gain, only_right
):
    training, reference, wrong = noisy_digits
    found = by_layer(training, reference, Choices(seed=0), curvature=curvature, only_right=only_right)
    scores = {how: found.aggregated(how).numpy() for how in ("mean", "ranks", "votes")}
    areas = {how: area_under_rates(one, wrong) for how, one in scores.items()}
    rates = {how: noise_detection_rate(one, wrong, int(wrong.sum())) for how, one in scores.items()}
    assert areas["votes"] > areas["mean"] + gain
    assert rates["votes"] > rates["mean"]
    assert areas["votes"] > areas["ranks"] > 0.6


def test_an_unknown_aggregation_is_refused_with_those_that_are_there():
    found = by_layer(small_training("network"), DATA["network"](9, seed=1), Choices(seed=0))
    with pytest.raises(ValueError, match=r"no aggregation is called 'median': there are mean, .*votes"):
        found.aggregated("median")
