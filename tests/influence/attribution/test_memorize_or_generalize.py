"""Memorization and generalization against real retraining without each row, and the two identities behind the sign.

The same for the linear proxy, on 1,000 digits, is in `tests/influence/linear/test_leave_one_out.py`.
"""

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.by_curvature import BY_CURVATURE
from culpa.influence.attribution.memorize_or_generalize import memorization, memorize_or_generalize
from culpa.influence.attribution.retraining import left_out
from culpa.influence.network import losses_together, train
from tests.influence.network.small_trainings import RECIPES, blobs, small_training

ROWS, DAMPING = 240, 1e-2
AT_REST = replace(RECIPES["linear"], epochs=300, batch_size=ROWS, rate=1.0, l2=DAMPING)


def overlapping(rows, seed):
    """The three clouds, so wide that many rows are in doubt."""
    features, labels = blobs(rows, seed)
    return features + torch.randn(rows, 4, generator=torch.Generator().manual_seed(100 + seed)), labels


@pytest.fixture(scope="module")
def at_rest():
    """A linear model whose training came to rest, and held-out rows."""
    return train(AT_REST, overlapping(ROWS, seed=0), seed=0), overlapping(60, seed=1)


@pytest.fixture(scope="module")
def retrained(at_rest):
    """The training again without each of its rows."""
    training, _ = at_rest
    return left_out(training, torch.eye(ROWS, dtype=torch.bool))


def probabilities(trainings, data):
    return torch.exp(-losses_together(trainings, data))


def test_memorization_is_the_fall_of_the_probability_after_retraining_without_the_row(at_rest, retrained):
    training, held_out = at_rest
    found = memorize_or_generalize(training, held_out, "exact", Choices(seed=0, damping=DAMPING)).memorization
    before, after = (probabilities(some, training.data) for some in ([training], retrained))
    truth = before[0] - after.diagonal()
    assert spearmanr(found, truth).statistic > 0.99
    assert (found - truth).abs().mean() < 0.1 * truth.mean()


@pytest.mark.parametrize("target", ["loss", "probability"])
def test_who_generalizes_is_told_by_retraining_without_the_row(at_rest, retrained, target):
    training, held_out = at_rest
    choices = Choices(seed=0, damping=DAMPING, target=target)
    found = memorize_or_generalize(training, held_out, "exact", choices)
    before, after = (
        losses_together(some, held_out, choices.losses(training)).mean(1) for some in ([training], retrained)
    )
    truth = after - before
    above = truth.abs() > 0.05 * truth.abs().max()
    assert above.sum() > 100
    assert (found.generalizes == (truth > 0))[above].float().mean() >= 0.95
    assert spearmanr(found.generalization, truth).statistic > 0.99


@pytest.mark.parametrize("method", [method.name for method in BY_CURVATURE if method.name != "exact"])
def test_self_influence_is_never_negative_though_many_rows_harm_others(method):
    training, held_out = small_training("network"), blobs(30, seed=1)
    found = attribute(training, method, Choices(seed=0, damping=DAMPING))
    assert (found.own() >= 0).all()
    assert (found.on_mean(held_out) < 0).float().mean() > 0.1


def test_at_rest_the_influences_of_all_rows_on_one_add_up_to_the_penaltys_part(at_rest):
    training, _ = at_rest
    found = attribute(training, "exact", Choices(seed=0, damping=DAMPING))
    sums = found.between(training.data).sum(0).double()
    module, (features, labels) = training.module, training.data
    inputs = torch.cat([features, torch.ones(ROWS, 1)], dim=1).double()
    with torch.no_grad():
        p = module(features).double().softmax(1)
        theta = torch.cat([module.weight, module.bias[:, None]], dim=1).double().flatten()
    gradients = torch.einsum("nk,nd->nkd", p - torch.nn.functional.one_hot(labels, 3), inputs).flatten(1)
    curvatures = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    hessian = torch.einsum("nkl,nd,ne->kdle", curvatures, inputs, inputs).reshape(15, 15) / ROWS
    expected = -DAMPING * gradients @ torch.linalg.solve(hessian + DAMPING * torch.eye(15), theta)
    torch.testing.assert_close(sums, expected, rtol=1e-2, atol=1e-4)
    size = found.between(training.data).abs().sum(0).mean()
    assert sums.abs().mean() < 0.2 * size


def test_by_hand():
    found = memorization(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.25]))
    before, without = torch.exp(-torch.tensor([0.5, 0.25])), torch.exp(-torch.tensor([0.5, 1.25]))
    torch.testing.assert_close(found, before - without)


def test_numbers_have_no_probability_to_be_memorized():
    training = small_training("numbers")
    with pytest.raises(ValueError, match=r"has no P\(own label\) to be memorized"):
        memorize_or_generalize(training, training.data, "dense", Choices(seed=0))
