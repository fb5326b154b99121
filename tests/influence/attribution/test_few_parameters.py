"""Few parameters: nothing is lost where the rest is frozen, the last layer has a closed form, samples tell of all."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.few_parameters import agreement_with_all_layers, rank_agreement
from culpa.influence.network import train
from tests.influence.network.small_trainings import DATA, RECIPES, small_training

LAST = Choices(seed=0, layers=["2"])


def frozen_but_for_the_last():
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    module[0].requires_grad_(False)
    return module


@pytest.mark.parametrize("method", ["dense", "ekfac", "tracin", "dot", "data-value-embedding"])
def test_where_the_rest_is_frozen_nothing_is_lost(method):
    training = train(replace(RECIPES["network"], make=frozen_but_for_the_last), DATA["network"](), seed=0)
    found = agreement_with_all_layers(training, method, LAST, DATA["network"](9, seed=1), sample=40, seed=0)
    assert found.rows == 40
    assert found.on_mean.value == found.own.value == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("method", ["dense", "exact"])
def test_the_last_layer_has_a_closed_form(method):
    training, reference, damping = small_training("network"), DATA["network"](9, seed=1), 1e-2

    def factors(batch):
        with torch.no_grad():
            h = training.module[:2](batch[0]).double()
            return torch.cat([h, torch.ones(len(h), 1)], dim=1), training.module(batch[0]).double().softmax(1)

    def gradients(batch):
        h, p = factors(batch)
        return torch.einsum("nk,nd->nkd", p - nn.functional.one_hot(batch[1], 3), h).flatten(1)

    h, p = factors(training.data)
    curvatures = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    hessian = torch.einsum("nkl,nd,ne->kdle", curvatures, h, h).reshape(27, 27) / 60 + damping * torch.eye(27)
    here, there = gradients(training.data), gradients(reference)
    found = attribute(training, method, Choices(seed=0, layers=["2"], damping=damping))
    expected = here @ torch.linalg.solve(hessian, there.T) / 60
    torch.testing.assert_close(found.between(reference).double(), expected, rtol=1e-3, atol=1e-6)
    own = (here * torch.linalg.solve(hessian, here.T).T).sum(1) / 60
    torch.testing.assert_close(found.own().double(), own, rtol=1e-3, atol=1e-6)


def test_on_all_rows_it_is_the_rank_correlation_of_the_two_scores():
    training, reference = small_training("network"), DATA["network"](9, seed=1)
    found = agreement_with_all_layers(training, "ekfac", LAST, reference, sample=1_000, seed=0)
    some, every = (attribute(training, "ekfac", replace(LAST, layers=layers)) for layers in (["2"], None))
    assert found.rows == 60
    assert found.on_mean.value == pytest.approx(spearmanr(some.on_mean(reference), every.on_mean(reference)).statistic)
    assert found.own.value == pytest.approx(spearmanr(some.own(), every.own()).statistic)
    assert found.own.low < found.own.value < found.own.high < 1
    assert found.own.value > 0.9


def test_a_sample_tells_what_all_rows_would_within_its_interval():
    training, reference = small_training("words"), DATA["words"](9, seed=1)
    choices = Choices(seed=0, layers=["last"])
    whole = agreement_with_all_layers(training, "tracin", choices, reference, sample=60, seed=0)
    inside = 0
    for seed in range(10):
        found = agreement_with_all_layers(training, "tracin", choices, reference, sample=30, seed=seed)
        inside += found.on_mean.low <= whole.on_mean.value <= found.on_mean.high
    assert inside >= 8


def test_rank_agreement_is_that_of_the_ranks_alone():
    values = torch.randn(50, generator=torch.Generator().manual_seed(0))
    assert rank_agreement(values, values.exp()).value == pytest.approx(1)
    assert rank_agreement(values, -values).value == pytest.approx(-1)


def test_nothing_restricted_and_methods_that_choose_for_themselves_are_refused():
    training, reference = small_training("network"), DATA["network"](9, seed=1)
    with pytest.raises(ValueError, match=r"choices.layers is None, so nothing is restricted"):
        agreement_with_all_layers(training, "ekfac", Choices(seed=0), reference, sample=30, seed=0)
    with pytest.raises(ValueError, match="'tracin-last' chooses its own layers"):
        agreement_with_all_layers(training, "tracin-last", LAST, reference, sample=30, seed=0)
