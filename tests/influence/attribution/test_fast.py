"""FastIF: the full influence wherever it looks, and it looks where the large influences are."""

import pytest
import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.fast import alike, fast_influence, features_of
from culpa.influence.network import Recipe, train
from tests.influence.network.small_trainings import DATA, small_training

RECIPE = Recipe(
    lambda: nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 10)),
    rate=0.3,
    epochs=15,
    batch_size=50,
    l2=1e-3,
)


@pytest.fixture(scope="module")
def digits():
    """A network of digits, a twentieth of whose labels are wrong; reference rows; the full influence."""
    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:1_200]
    features, labels = torch.tensor(pixels / 16, dtype=torch.float32)[order], torch.tensor(labels)[order]
    wrong = torch.arange(1_200) % 20 == 3
    given = torch.where(wrong, (labels + 1 + torch.arange(1_200) % 9) % 10, labels)
    training = train(RECIPE, (features[:900], given[:900]), seed=0)
    reference = features[900:], labels[900:]
    return training, reference, attribute(training, "ekfac", Choices(seed=0)).between(reference)


def recall(found, full, top):
    """Share of the largest influences on each reference row that were looked at."""
    return float((found.gather(0, full.abs().topk(top, dim=0).indices) != 0).float().mean())


@pytest.mark.parametrize("screen", ["last-layer", "features"])
def test_where_it_looks_it_is_the_full_influence_and_elsewhere_nought(screen, digits):
    training, reference, full = digits
    fast = fast_influence(training, Choices(seed=0), nearest=40, screen=screen)
    found = fast.between(reference)
    assert ((found != 0).sum(0) == 40).all()
    seen = found != 0
    torch.testing.assert_close(found[seen], full[seen], rtol=1e-3, atol=1e-6)
    assert spearmanr(found[seen], full[seen]).statistic > 0.9999
    torch.testing.assert_close(fast.on_mean(reference), found.mean(1), rtol=1e-4, atol=1e-7)


def test_the_largest_influences_are_found_and_in_their_order_at_a_tenth_of_the_work(digits):
    training, reference, full = digits
    fast = fast_influence(training, Choices(seed=0), nearest=32)
    assert fast.work(reference) < 0.1
    found = fast.between(reference)
    assert recall(found, full, top=10) > 0.9
    largest = full.abs().topk(20, dim=0).indices
    pairs = zip(full.gather(0, largest).T, found.gather(0, largest).T, strict=True)
    assert sum(spearmanr(*pair).statistic for pair in pairs) / len(reference[0]) > 0.9


def test_the_last_layer_tells_more_than_the_distance_of_its_features(digits):
    training, reference, full = digits
    found = {
        screen: recall(fast_influence(training, Choices(seed=0), screen=screen).between(reference), full, top=10)
        for screen in ("last-layer", "features")
    }
    assert found["last-layer"] > found["features"] + 0.2


def test_by_features_the_nearest_rows_are_those_of_least_distance():
    training, reference = small_training("network"), DATA["network"](9, seed=1)
    found = fast_influence(training, Choices(seed=0), nearest=7, screen="features").between(reference)
    with torch.no_grad():
        here, there = (training.module[:2](part[0]) for part in (training.data, reference))
    expected = torch.cdist(here, there).argsort(dim=0)[:7].sort(dim=0).values
    assert torch.equal((found != 0).T.nonzero()[:, 1].reshape(9, 7).T, expected)


def test_with_all_rows_near_it_is_the_inner_influence():
    training, reference = small_training("words"), DATA["words"](9, seed=1)
    found = fast_influence(training, Choices(seed=0), nearest=1_000, curvature="dense")
    expected = attribute(training, "dense", Choices(seed=0))
    torch.testing.assert_close(found.between(reference), expected.between(reference), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.own(), expected.own(), rtol=1e-4, atol=1e-6)
    assert found.work(reference) == 1


def test_groups_hold_every_row_once_and_are_small_and_near():
    points = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    groups = alike(points, 8)
    assert torch.equal(torch.cat(groups).sort().values, torch.arange(100))
    assert max(map(len, groups)) <= 8
    within = torch.stack([torch.pdist(points[group]).mean() for group in groups]).mean()
    assert within < 0.6 * torch.pdist(points).mean()


def test_a_network_that_ends_in_no_features_is_refused():
    recipe = Recipe(lambda: nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)), rate=0.1, epochs=1)
    training = train(recipe, DATA["network"](), seed=0)
    with pytest.raises(ValueError, match="the last layer '1' is LayerNorm, needed one that reads features"):
        features_of(training, training.data)


def test_no_rows_to_look_at_are_refused():
    with pytest.raises(ValueError, match=r"nearest must be 1 or more, got 0: try a twentieth of the 60 training rows"):
        fast_influence(small_training("network"), Choices(seed=0), nearest=0)
