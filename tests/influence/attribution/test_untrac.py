"""Unlearning tells which source harms, as leaving the source out does; and a short run is a product of gradients."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.retraining import left_out
from culpa.influence.attribution.untrac import UntracInverse, untrac
from culpa.influence.network import Recipe, losses_together, train
from tests.influence.network.small_trainings import DATA, RECIPES, blobs, small_training

SOURCES = 6


def sources(kind):
    """Six sources of thirty rows; of the first all labels are wrong, of each one after it fewer, of the last none."""
    features, labels = (part.clone() for part in DATA[kind](180))
    source = torch.arange(180) // 3 % SOURCES
    chance = torch.rand(180, generator=torch.Generator().manual_seed(0))
    wrong = chance >= source / (SOURCES - 1)
    labels[wrong] = (labels[wrong] + 1) % 3
    return (features, labels), source == torch.arange(SOURCES)[:, None]


@pytest.fixture(scope="module", params=["network", "words"])
def case(request):
    """A training on the sources, their masks, reference rows, and the rise of their loss without each source."""
    data, groups = sources(request.param)
    training, reference = train(RECIPES[request.param], data, seed=0), DATA[request.param](90, seed=1)
    truth = losses_together(left_out(training, groups), reference) - training.losses(reference)
    return training, groups, reference, truth.mean(1)


def test_unlearning_a_source_tells_what_leaving_it_out_does(case):
    training, groups, reference, truth = case
    found = untrac(training, groups, reference)
    assert found.shape == (SOURCES, 90)
    assert found.mean(1).argmin() == truth.argmin() == 0
    assert found[0].mean() < 0 < found[-1].mean()
    assert spearmanr(found.mean(1), truth).statistic > 0.9


def test_unlearning_the_reference_rows_tells_it_too(case):
    training, groups, reference, truth = case
    found = UntracInverse(training, training.recipe.objective.losses).on_mean(reference)
    by_source = groups.float() @ found
    assert by_source.argmin() == 0
    assert spearmanr(by_source, truth).statistic > 0.9


@pytest.mark.parametrize("name", ["network", "words", "numbers"])
def test_a_short_run_is_a_step_times_the_product_of_gradients(name):
    training, reference = small_training(name), DATA[name](9, seed=1)
    short = replace(training, recipe=replace(training.recipe, rate=1e-2))
    products = 60 * attribute(training, "dot", Choices(seed=0)).between(reference)  # the table divides by the rows
    near = {"rtol": 0.02, "atol": 0.01 * float(products.abs().max())}
    found = UntracInverse(short, training.recipe.objective.losses, steps=1)
    torch.testing.assert_close(found.between(reference), products, **near)
    torch.testing.assert_close(found.on_mean(reference), products.mean(1), **near)
    groups = torch.arange(60) % 4 == torch.arange(4)[:, None]
    rise = 1e-2 * groups.float() @ products / 60
    torch.testing.assert_close(untrac(short, groups, reference, steps=1), rise, rtol=0.02, atol=1e-4)


def test_dropout_and_norms_are_still_while_rows_are_unlearned():
    def make():
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))

    training = train(Recipe(make, rate=0.3, epochs=5, batch_size=20), blobs(), seed=0)
    one, other = (UntracInverse(replace(training, seed=seed), training.recipe.objective.losses) for seed in (0, 1))
    reference = blobs(5, seed=1)
    torch.testing.assert_close(one.between(reference), other.between(reference))
    assert one.own().median() > 0


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"groups of the shape \(60,\) came for 60 rows: give masks"):
        untrac(small_training("network"), torch.ones(60, dtype=torch.bool), blobs(5, seed=1))
