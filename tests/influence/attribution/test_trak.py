"""TRAK: the formula written out, near exact influence on a linear probe, more networks nearer to retraining."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.trak import trak
from culpa.influence.gradients import Classification, capture, target_losses
from culpa.influence.network import Recipe, train
from culpa.influence.network.together import losses_together, train_together
from tests.influence.network.small_trainings import RECIPES, blobs, small_training

MARGIN = target_losses(Classification(), "margin")


def written_out(module, losses, batch):
    return torch.cat([layer.written_out() for layer in capture(module, losses, batch).layers.values()], dim=1).double()


@pytest.mark.parametrize("target", ["margin", "loss"])
def test_it_is_the_mean_kernel_times_the_mean_doubt_written_out(target):
    """These networks are small enough for the axes to leave nothing out."""
    training, reference = small_training("network"), blobs(9, seed=1)
    choices = Choices(seed=3, models=3, damping=1e-3, target=target)
    found = trak(training, choices)
    kernels, doubts = [], []
    for seed in (0, 3, 4):
        module = train(replace(training.recipe, checkpoints=1), training.data, seed=seed).module
        margins = written_out(module, MARGIN, training.data)
        matrix = margins.T @ margins / 60 + 1e-3 * torch.eye(margins.shape[1])
        asked = written_out(module, choices.losses(training), reference)
        kernels.append(margins @ torch.linalg.solve(matrix, asked.T) / 60)
        with torch.no_grad():
            doubts.append(1 - module(training.data[0]).softmax(1)[torch.arange(60), training.data[1]])
    expected = torch.stack(kernels).mean(0) * torch.stack(doubts).mean(0)[:, None]
    bound = 1e-4 * float(expected.abs().max())
    torch.testing.assert_close(found.between(reference).double(), expected, rtol=1e-3, atol=bound)


def test_self_influence_is_the_diagonal():
    training = small_training("words")
    found = trak(training, Choices(seed=0, models=2))
    torch.testing.assert_close(found.own(), found.between(training.data).diagonal(), rtol=1e-4, atol=1e-7)
    assert (found.own() >= 0).all()


def overlapping(rows, noise, seed=0):
    """The three clouds, so wide that most rows are in doubt."""
    features, labels = blobs(rows, seed)
    return features + noise * torch.randn(rows, 4, generator=torch.Generator().manual_seed(100 + seed)), labels


def test_on_a_linear_probe_it_orders_rows_as_the_exact_influence_does():
    """But for p (1 - p), which K leaves out and which is much alike where all rows are in doubt."""
    training = train(RECIPES["linear"], overlapping(300, noise=2.0), seed=0)
    choices, reference = Choices(seed=0, models=1, damping=1e-2, target="margin"), overlapping(30, noise=2.0, seed=1)
    found, exact = (attribute(training, method, choices).between(reference) for method in ("trak", "exact"))
    agreements = [spearmanr(one, other).statistic for one, other in zip(found.T, exact.T, strict=True)]
    assert sum(agreements) / 30 > 0.9
    assert min(agreements) > 0.7


RECIPE = Recipe(
    lambda: nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 3)), rate=0.3, epochs=30, batch_size=25, l2=1e-3
)


@pytest.fixture(scope="module")
def subsets():
    """A training, reference rows, halves of its rows (models, rows), and the margins of networks trained on them."""
    features, labels = blobs(150)
    training = train(
        RECIPE, (features + torch.randn(150, 4, generator=torch.Generator().manual_seed(5)), labels), seed=0
    )
    reference = blobs(40, seed=1)
    halves = (torch.rand(80, 150, generator=torch.Generator().manual_seed(1)).argsort(1) < 75).float()
    recipe = replace(RECIPE, checkpoints=1)
    networks = train_together(recipe, training.data, seeds=list(range(100, 180)), weights=2 * halves)
    return training, reference, halves, -losses_together(networks, reference, MARGIN)


def linear_datamodeling_score(scores, halves, outputs):
    """Mean over reference rows of Spearman's correlation: a half's summed scores against its network's output."""
    pairs = zip((halves @ scores).T, outputs.T, strict=True)
    return sum(spearmanr(predicted, true).statistic for predicted, true in pairs) / outputs.shape[1]


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_more_networks_predict_retraining_on_halves_better(share, subsets):
    training, reference, halves, outputs = subsets
    found = []
    for models in (1, 25):
        scores = trak(training, Choices(seed=0, models=models, target="margin"), share=share).between(reference)
        found.append(linear_datamodeling_score(scores, halves, outputs))
    assert found[1] > found[0] + 0.04


def test_a_share_of_no_rows_and_no_models_are_refused():
    with pytest.raises(ValueError, match=r"models must be 1 or more, got 0"):
        trak(small_training("linear"), Choices(seed=0, models=0))
    with pytest.raises(ValueError, match=r"share must be above 0 and at most 1, got 0.0"):
        trak(small_training("linear"), Choices(seed=0), share=0.0)


def test_what_does_not_classify_has_no_margin():
    with pytest.raises(ValueError, match="the target 'margin' asks for class probabilities"):
        attribute(small_training("numbers"), "trak", Choices(seed=0))
