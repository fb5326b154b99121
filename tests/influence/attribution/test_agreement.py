"""The guard: true scores agree with retraining, chance does not, and rows are drawn over the range of the scores."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.agreement import agreement, agreement_with_retraining, draw_by_quantile
from tests.influence.network.small_trainings import blobs, small_training


@pytest.fixture(scope="module")
def case():
    """A training, reference rows, and the true effect of each row on their mean loss."""
    training, reference = small_training("network"), blobs(30, seed=1)
    return training, reference, attribute(training, "leave-one-out", Choices(seed=0)).on_mean(reference)


def test_the_truth_agrees_wholly_with_retraining(case):
    training, reference, truth = case
    found = agreement_with_retraining(training, truth, reference, seed=0)
    np.testing.assert_allclose(found.predicted, found.measured, rtol=1e-3, atol=1e-6)
    assert found.spearman > 0.999
    assert found.same_sign == 1.0
    assert found.spearman_interval[0] > 0.99


def test_true_scores_add_up_over_groups_and_groups_move_more(case):
    training, reference, truth = case
    single, groups = (agreement_with_retraining(training, truth, reference, removals=15, group=size, seed=0)
                      for size in (1, 4))  # fmt: skip
    assert groups.spearman > 0.8
    assert np.abs(groups.measured).mean() > 2 * np.abs(single.measured).mean()


def test_chance_agrees_with_nothing_and_wrong_signs_with_the_opposite(case):
    training, reference, truth = case
    lots = truth[torch.randperm(60, generator=torch.Generator().manual_seed(0))]
    by_chance = agreement_with_retraining(training, lots, reference, seed=0)
    assert by_chance.spearman_interval[0] < 0 < by_chance.spearman_interval[1]
    assert by_chance.same_sign_interval[0] < 0.5 < by_chance.same_sign_interval[1]
    turned = agreement_with_retraining(training, -truth, reference, seed=0)
    assert turned.spearman < -0.999
    assert turned.same_sign == 0.0


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Two normal variables of correlation .8, whose rank correlation is known: 6 / pi * arcsin(.8 / 2)."""
    chance, truth, held = np.random.default_rng(0), 6 / np.pi * np.arcsin(0.4), 0
    for seed in range(100):
        one = chance.normal(size=40)
        found = agreement(one, 0.8 * one + 0.6 * chance.normal(size=40), seed=seed)
        held += found.spearman_interval[0] < truth < found.spearman_interval[1]
    assert 85 <= held <= 99


def test_rows_are_drawn_from_every_stretch_of_the_scores():
    scores = np.random.default_rng(0).permutation(60).astype(float)
    masks = draw_by_quantile(scores, 10, 2, seed=0)
    assert masks.sum(axis=1).tolist() == [2] * 10
    for place, mask in enumerate(masks):
        assert set(scores[mask] // 6) == {place}
    assert not np.array_equal(masks, draw_by_quantile(scores, 10, 2, seed=1))


def test_removals_that_cannot_be_are_refused(case):
    training, reference, truth = case
    with pytest.raises(ValueError, match=r"20 removals of 4 rows of 60 were asked for: needed 5 removals or more"):
        agreement_with_retraining(training, truth, reference, removals=20, group=4, seed=0)
    with pytest.raises(ValueError, match="59 scores came for 60 training rows"):
        agreement_with_retraining(training, truth[1:], reference, seed=0)


def test_it_trains_as_the_training_did(case):
    """A training with momentum and a falling rate is repeated with both."""
    training, reference, _ = case
    recipe = replace(training.recipe, momentum=0.9, rate=0.1, schedule="cosine")
    other = replace(training, recipe=recipe).again()
    truth = attribute(other, "leave-one-out", Choices(seed=0)).on_mean(reference)
    assert agreement_with_retraining(other, truth, reference, seed=0).spearman > 0.999
