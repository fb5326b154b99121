"""Influence at every checkpoint: the mean of what each says alone, and nearer to networks trained on halves."""

import pytest
import torch

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.datamodels import linear_datamodeling_score
from culpa.influence.network.together import losses_together, train_together
from culpa.influence.network.training import Training, restored
from tests.influence.network.small_trainings import DATA, RECIPES, small_training

CHOICES = Choices(seed=0, damping=0.03)


def at_checkpoint(training, place, method, ask):
    """The method's answer with the module as it was at one checkpoint."""
    with restored(training.module):
        training.module.load_state_dict(training.checkpoints[place].state)
        return ask(attribute(training, method, CHOICES))


@pytest.mark.parametrize("method", ["kfac", "ekfac"])
def test_it_is_the_mean_of_influence_at_each_checkpoint(method):
    training, reference = small_training("network"), DATA["network"](9, seed=1)
    whole = attribute(training, f"{method}-checkpoints", CHOICES)
    asks = [lambda found: found.between(reference), lambda found: found.on_mean(reference), lambda found: found.own()]
    for ask in asks:
        parts = [at_checkpoint(training, place, method, ask) for place in range(len(training.checkpoints))]
        assert len(parts) == 5
        torch.testing.assert_close(ask(whole), torch.stack(parts).mean(0))


def test_with_the_end_alone_it_is_influence():
    training, reference = small_training("network"), DATA["network"](9, seed=1)
    end = Training(training.recipe, training.data, 0, training.module, training.checkpoints[-1:])
    found, expected = (attribute(end, name, CHOICES).between(reference) for name in ("kfac-checkpoints", "kfac"))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", ["network", "words"])
@pytest.mark.parametrize("method", ["kfac", "ekfac"])
def test_it_foretells_networks_of_halves_better_than_influence_at_the_end(kind, method):
    """Linear datamodeling score over 100 halves; the same start and order for all, so that chance has little say."""
    training, reference = small_training(kind), DATA[kind](60, seed=1)
    halves = (torch.rand(100, 60, generator=torch.Generator().manual_seed(0)).argsort(dim=1) < 30).float()
    networks = train_together(RECIPES[kind], training.data, seeds=[0] * 100, weights=halves)
    outputs = -losses_together(networks, reference).numpy()

    def score(name):
        found = attribute(training, name, CHOICES).between(reference).numpy()
        return linear_datamodeling_score(found, halves.numpy() > 0, outputs).mean

    assert score(f"{method}-checkpoints") > score(method) + 0.05
