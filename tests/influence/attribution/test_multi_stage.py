"""Influence through two trainings: the formula written out, and rows deleted, pretrained again and tuned again."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from culpa.influence.attribution.multi_stage import Tethered, fit_multi_stage
from culpa.influence.attribution.retraining import left_out
from culpa.influence.gradients import Classification, capture
from culpa.influence.network import Recipe, train
from tests.influence.curvature.small_curvatures import gauss_newton, joined
from tests.influence.network.small_trainings import RECIPES, blobs

LOSSES = Classification().losses
CONVEX = Recipe(lambda: nn.Linear(4, 3), rate=1.0, epochs=150, batch_size=400, l2=1e-2, checkpoints=1)
SHORT = replace(RECIPES["network"], epochs=5)


def tuned(pretraining, recipe, data, pull=None):
    """A fine-tuning that goes on from the pretrained network."""
    start = pretraining.module
    objective = Classification() if pull is None else Tethered(Classification(), start, pull)
    return train(replace(recipe, make=lambda: deepcopy(start), objective=objective), data, seed=0)


def rises(pretraining, tuning, tune, rows, reference):
    """What really becomes of the reference losses without each of some pretraining rows, (rows, reference rows)."""
    before = LOSSES(tuning.module, reference)
    again = left_out(pretraining, torch.eye(len(pretraining))[rows] > 0)
    return torch.stack([LOSSES(tune(one).module, reference) - before for one in again]).detach()


@pytest.fixture(scope="module")
def convex():
    """A pretraining, a tethered fine-tuning, reference rows, and what really comes of deleting some rows."""
    pretraining, reference, rows = train(CONVEX, blobs(300), seed=0), blobs(60, seed=9), torch.arange(0, 300, 20)

    def tune(one):
        return tuned(one, replace(CONVEX, l2=0.0), blobs(60, seed=1), pull=0.1)

    tuning = tune(pretraining)
    return pretraining, tuning, reference, rows, rises(pretraining, tuning, tune, rows, reference)


@pytest.mark.parametrize("curvature", ["exact", "dense"])
def test_in_convex_trainings_it_is_what_deleting_pretraining_and_tuning_again_does(curvature, convex):
    pretraining, tuning, reference, rows, truth = convex
    found = fit_multi_stage(pretraining, tuning, seed=0, curvature=curvature, damping=1e-2)
    pairs = found.between(reference)[rows]
    assert spearmanr(pairs.ravel(), truth.ravel()).statistic > 0.98
    assert float(np.polyfit(pairs.ravel(), truth.ravel(), 1)[0]) == pytest.approx(1, abs=0.15)
    torch.testing.assert_close(found.on_mean(reference), found.between(reference).mean(1), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_in_a_small_network_it_goes_with_retraining_beyond_chance(seed):
    pretraining = train(replace(RECIPES["network"], epochs=40), blobs(60, seed), seed=seed)
    reference, rows = blobs(60, seed + 200), torch.arange(60)

    def tune(one):
        return tuned(one, SHORT, blobs(30, seed + 100))

    tuning = tune(pretraining)
    truth = rises(pretraining, tuning, tune, rows, reference)
    found = fit_multi_stage(pretraining, tuning, seed=0, curvature="dense").between(reference)
    chance = torch.Generator().manual_seed(0)
    by_chance = [spearmanr(found[torch.randperm(60, generator=chance)].ravel(), truth.ravel()).statistic
                 for _ in range(100)]  # fmt: skip
    agreement = spearmanr(found.ravel(), truth.ravel()).statistic
    assert agreement > 0.2
    assert agreement > max(by_chance)


def test_a_new_head_leaves_the_chain_to_the_layers_that_were_taken_over():
    """The formula, with both matrices written out."""
    pretraining = train(RECIPES["network"], blobs(), seed=0)
    body = pretraining.module[0]

    def make():
        return nn.Sequential(deepcopy(body), nn.Tanh(), nn.Linear(8, 2))

    features, labels = blobs(40, seed=1)
    tuning = train(replace(SHORT, make=make), (features, labels % 2), seed=0)
    found = fit_multi_stage(pretraining, tuning, seed=0, curvature="dense", damping=0.05, pull=0.3)
    assert found.shared == ["0"]

    features, labels = blobs(7, seed=2)
    reference = features, labels % 2
    before = gauss_newton(pretraining.module, pretraining.data) + 0.05 * torch.eye(67)
    after = gauss_newton(tuning.module, tuning.data) + (0.3 + tuning.recipe.l2) * torch.eye(58)
    theirs = joined(capture(tuning.module, LOSSES, reference))
    ours = joined(capture(pretraining.module, LOSSES, pretraining.data))
    carried = torch.zeros(7, 67)
    carried[:, :40] = 0.3 * torch.linalg.solve(after, theirs.T).T[:, :40]
    expected = ours @ torch.linalg.solve(before, carried.T) / 60
    torch.testing.assert_close(found.between(reference), expected, rtol=1e-3, atol=1e-6)


def test_a_tether_holds_the_network_at_its_start():
    start, moved = train(CONVEX, blobs(), seed=0), []
    for pull in (None, 0.1, 5.0):
        found = tuned(start, replace(SHORT, rate=0.1), blobs(60, seed=1), pull)
        moved.append(float((found.module.weight - start.module.weight).detach().norm()))
    assert moved[0] > moved[1] > 2 * moved[2] > 0


def test_the_pull_of_a_fine_tuning_without_a_tether_is_one_over_the_sum_of_its_rates():
    pretraining = train(RECIPES["network"], blobs(), seed=0)
    plain = tuned(pretraining, SHORT, blobs(40, seed=1))
    assert fit_multi_stage(pretraining, plain, seed=0).pull == pytest.approx(1 / (10 * 0.5))
    falling = tuned(pretraining, replace(SHORT, momentum=0.9, schedule="linear"), blobs(40, seed=1))
    assert fit_multi_stage(pretraining, falling, seed=0).pull == pytest.approx(0.1 / (5.5 * 0.5))
    adam = tuned(pretraining, replace(SHORT, optimizer="adam", rate=0.01), blobs(40, seed=1))
    with pytest.raises(ValueError, match="how far adam goes its rates do not tell: give the pull"):
        fit_multi_stage(pretraining, adam, seed=0)


def test_networks_that_share_no_layer_are_refused():
    pretraining = train(RECIPES["network"], blobs(), seed=0)
    other = train(RECIPES["linear"], blobs(), seed=0)
    with pytest.raises(ValueError, match=r"the fine-tuned network has the layers '', the pretrained one '0', '2'"):
        fit_multi_stage(pretraining, other, seed=0)
    with pytest.raises(ValueError, match="in shared no others"):
        fit_multi_stage(pretraining, tuned(pretraining, SHORT, blobs(40)), seed=0, shared=["0", "9"])
