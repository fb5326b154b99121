"""Selective removal: better than taking as many rows out at once, nothing taken from clean rows, never too much."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.selective_removal import _gain, _pays, _State, _trained, remove_selectively
from culpa.influence.attribution.small_to_large import quality
from culpa.influence.caps import MOST_OF_A_CLASS, highest_within_caps
from culpa.influence.network import Recipe, train
from tests.influence.attribution.test_small_to_large import FEATURES, clouds, network
from tests.influence.network.small_trainings import CLASSES, numbers, small_training

LINEAR = Recipe(lambda: nn.Linear(FEATURES, CLASSES), rate=0.5, epochs=30, batch_size=40, l2=1e-2)
HIDDEN = replace(LINEAR, make=network(16), l2=1e-3)


def case(recipe, seed, wrong):
    """A training on rows with this share of wrong labels, which these are, reference rows, and test rows."""
    data, wrong = clouds(240, seed, wrong)
    return train(recipe, data, seed=seed), wrong, clouds(200, seed + 100)[0], clouds(1000, seed + 200)[0]


def taken_at_once(training, reference, method, seed, count):
    """The network without as many rows, all by their first score, within the same caps."""
    half = torch.randperm(200, generator=torch.Generator().manual_seed(seed))[:100]
    scores = attribute(training, method, Choices(seed=seed)).on_mean([part[half] for part in reference])
    gone = highest_within_caps(-scores.double().numpy(), training.data[1].numpy(), count)
    kept = torch.as_tensor(~gone)
    return train(training.recipe, [part[kept] for part in training.data], seed=seed)


@pytest.mark.parametrize(("recipe", "method"), [(LINEAR, "ekfac"), (HIDDEN, "tracin")], ids=["linear", "network"])
def test_rounds_beat_taking_as_many_rows_out_at_once(recipe, method):
    before, once, rounds = [], [], []
    for seed in range(4):
        training, wrong, reference, test = case(recipe, seed, 0.4)
        removal = remove_selectively(training, reference, method=method, choices=Choices(seed=seed))
        count = int((~removal.kept).sum())
        assert wrong[~removal.kept].float().mean() > wrong.float().mean() + 0.15
        trainings = training, taken_at_once(training, reference, method, seed, count), removal.training
        for results, one in zip((before, once, rounds), trainings, strict=True):
            results.append((quality(one, test), -float(one.losses(test).mean())))
    before, once, rounds = (np.mean(results, axis=0) for results in (before, once, rounds))
    assert (rounds > once).all(), "accuracy and minus loss"
    assert rounds[0] > once[0] + 0.01
    assert rounds[0] > before[0] + 0.15


def test_of_clean_rows_none_goes():
    for seed in range(3):
        training, _, reference, _ = case(LINEAR, seed, 0.0)
        removal = remove_selectively(training, reference, method="ekfac", choices=Choices(seed=seed))
        assert removal.kept.all()
        assert removal.training is training
        assert len(removal.rounds) >= 4


def test_what_random_rows_would_do_too_does_not_pay():
    """The start is made up to be far worse, as an overfit network is than anything trained for less long."""
    training, _, reference, _ = case(LINEAR, 0, 0.0)
    far = 1 + 0.1 * torch.randn(200, generator=torch.Generator().manual_seed(0))
    start = _State(np.ones(240, np.bool_), training, training.losses(reference) + far)
    kept = np.arange(240) < 160
    for lower, pays in ((0.0, False), (0.5, True)):
        best = _trained(training, kept, reference)
        best = replace(best, judged=best.judged - lower)
        assert _gain(start, best) > 2
        assert _pays(training, start, best, reference, seed=0) is pays


def test_the_record_tells_who_went_when():
    training, _, reference, _ = case(LINEAR, 0, 0.4)
    removal = remove_selectively(training, reference, method="dot", choices=Choices(seed=0), share=0.05)
    assert [one.number for one in removal.rounds] == list(range(1, len(removal.rounds) + 1))
    assert len(removal.rounds[0].rows) == 12
    assert all(0 < len(one.rows) <= 12 for one in removal.rounds)
    best = min(range(len(removal.rounds)), key=lambda place: removal.rounds[place].loss)
    gone = torch.cat([one.rows for one in removal.rounds[: best + 1]])
    assert sorted(gone.tolist()) == (~removal.kept).nonzero()[:, 0].tolist()
    assert len(removal.rounds) - best - 1 == 4
    assert removal.rounds[best].gain_in_standard_errors > 2
    again = train(training.recipe, [part[removal.kept] for part in training.data], seed=0)
    assert torch.equal(again.module.weight, removal.training.module.weight)
    same = remove_selectively(training, reference, method="dot", choices=Choices(seed=0), share=0.05)
    assert torch.equal(same.kept, removal.kept)


def test_no_more_of_a_class_goes_than_its_cap():
    """Nine in ten rows that are called the first class belong to the second."""
    (features, labels), reference = clouds(240, 0)[0], clouds(200, 1)[0]
    called = torch.where((labels == 1) & (torch.arange(240) % 10 > 0), 0, labels)
    called = torch.where((labels == 0) & (torch.arange(240) % 10 > 0), 2, called)
    training = train(LINEAR, (features, called), seed=0)
    removal = remove_selectively(training, reference, method="ekfac", choices=Choices(seed=0), share=0.3, rounds=6)
    sizes, gone = torch.bincount(called, minlength=3), torch.bincount(called[~removal.kept], minlength=3)
    assert (gone <= MOST_OF_A_CLASS * sizes).all()
    assert gone[0] == int(MOST_OF_A_CLASS * sizes[0])


def test_of_a_regression_wild_targets_go():
    features, targets = numbers(120)
    wild = torch.arange(120) % 6 == 2
    training = train(small_training("numbers").recipe, (features, torch.where(wild, targets + 5, targets)), seed=0)
    removal = remove_selectively(training, numbers(120, seed=1), method="tracin", choices=Choices(seed=0))
    assert not wild[removal.kept].any()
    assert (~removal.kept).sum() <= 1.5 * wild.sum()
    assert removal.training.losses(numbers(120, seed=2)).mean() < 0.6 * training.losses(numbers(120, seed=2)).mean()


def test_a_share_that_is_none_and_too_few_reference_rows_are_refused():
    training, _, reference, _ = case(LINEAR, 0, 0.0)
    with pytest.raises(ValueError, match=r"share must be above 0 and at most 1, got 0\.0: try 0\.04"):
        remove_selectively(training, reference, method="dot", choices=Choices(seed=0), share=0.0)
    few = [part[:3] for part in reference]
    with pytest.raises(ValueError, match="3 reference rows came, needed 4 at least"):
        remove_selectively(training, few, method="dot", choices=Choices(seed=0))
