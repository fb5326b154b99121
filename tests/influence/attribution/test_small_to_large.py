"""Small to large: intervals hold the truth as often as they say, and a small proxy's flags help a large model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.small_to_large import flags_help, quality, transfers
from culpa.influence.network import Recipe, train
from tests.influence.network.small_trainings import CLASSES, numbers, small_training

FEATURES = 10


def test_the_same_order_is_agreement_and_the_reverse_is_none():
    scores = torch.randn(50, generator=torch.Generator().manual_seed(0))
    same, turned = transfers(scores, scores.exp(), top=5), transfers(scores, -scores, top=5)
    assert (same.spearman.value, same.overlap.value, same.chance) == (pytest.approx(1), 1, 0.1)
    assert (turned.spearman.value, turned.overlap.value) == (pytest.approx(-1), 0)
    assert turned.overlap.low == pytest.approx(0, abs=1e-12)
    assert same.overlap.high == pytest.approx(1)


def test_overlap_is_of_the_highest_scores():
    found = transfers(torch.tensor([9.0, 8, 7, 1, 2, 3]), torch.tensor([9.0, 1, 7, 2, 8, 3]), top=3)
    assert found.overlap.value == pytest.approx(2 / 3)


def pairs(rows, generator):
    """Scores with a correlation of .6."""
    first, noise = torch.randn(2, rows, generator=generator)
    return first, 0.6 * first + 0.8 * noise


def test_the_interval_of_the_correlation_holds_the_truth_as_often_as_it_says():
    """Of normal scores with correlation r the rank correlation is 6 / pi asin(r / 2)."""
    generator, truth = torch.Generator().manual_seed(0), 6 / np.pi * np.arcsin(0.3)
    found = [transfers(*pairs(80, generator), top=8).spearman for _ in range(600)]
    assert 0.93 < np.mean([one.low < truth < one.high for one in found]) < 0.97


def test_the_interval_of_the_overlap_holds_the_truth_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    truth = transfers(*pairs(500_000, generator), top=100_000).overlap.value
    found = [transfers(*pairs(200, generator), top=40).overlap for _ in range(600)]
    assert np.mean([one.low < truth < one.high for one in found]) > 0.94


def test_scores_of_other_rows_and_a_top_that_is_none_are_refused():
    with pytest.raises(ValueError, match=r"scores of the shapes \(5,\) and \(6,\) came"):
        transfers(torch.zeros(5), torch.zeros(6), top=2)
    with pytest.raises(ValueError, match="top must be from 1 to 4 of 5 rows, got 5"):
        transfers(torch.zeros(5), torch.zeros(5), top=5)


def clouds(rows, seed, flipped=0.0):
    """Three clouds in ten dimensions, a share of the labels wrong, and which these are."""
    chance = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % CLASSES
    features = 1.8 * torch.eye(CLASSES, FEATURES)[labels] + torch.randn(rows, FEATURES, generator=chance)
    wrong = torch.rand(rows, generator=chance) < flipped
    return (features, torch.where(wrong, (labels + 1) % CLASSES, labels)), wrong


def network(hidden):
    return lambda: nn.Sequential(nn.Linear(FEATURES, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", ["tracin", "ekfac"])
def test_flags_of_the_small_proxy_help_the_large_model_more_than_dropping_random_rows(method, seed):
    """Six hidden units judge for 64, which learn every wrong label by heart."""
    (data, wrong), reference, test = clouds(240, seed, 0.3), clouds(150, seed + 100)[0], clouds(500, seed + 200)[0]
    small = train(Recipe(network(6), rate=0.5, epochs=20, batch_size=40, l2=1e-3), data, seed=seed)
    large = train(Recipe(network(64), rate=0.5, epochs=60, batch_size=40), data, seed=seed)
    scores = [-attribute(one, method, Choices(seed=0)).on_mean(reference) for one in (small, large)]
    found = transfers(*scores, top=int(wrong.sum()))
    assert found.spearman.low > 0
    assert found.overlap.low > found.chance
    helped = flags_help(large, scores[0].topk(int(wrong.sum())).indices, test, draws=9, seed=0)
    assert helped.without_flagged > helped.on_all + 0.05
    assert helped.without_flagged > max(helped.without_random) + 0.02
    assert helped.chance == 0.1


def test_dropping_rows_is_the_training_without_them():
    training, (test, _) = small_training("linear"), clouds(50, 1)
    test = test[0][:, :4], test[1]
    found = flags_help(training, torch.tensor([3, 7, 8]), test, draws=2, seed=5)
    assert found.on_all == quality(training, test)
    assert found.without_flagged == pytest.approx(quality(training.without(torch.tensor([3, 7, 8])), test))
    assert found == flags_help(training, torch.tensor([3, 7, 8]), test, draws=2, seed=5)
    assert found.without_random != flags_help(training, torch.arange(50), test, draws=2, seed=5).without_random


def test_the_quality_of_a_regression_is_minus_its_loss():
    training = small_training("numbers")
    assert quality(training, numbers(20, seed=1)) == pytest.approx(-float(training.losses(numbers(20, seed=1)).mean()))
    smaller = train(replace(training.recipe, epochs=1), training.data, seed=0)
    assert quality(smaller, training.data) < quality(training, training.data)
