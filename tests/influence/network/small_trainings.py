"""Small trainings of every kind of network that the laws run over, and rows for them."""

import torch
from torch import nn

from culpa.influence.gradients import Regression
from culpa.influence.network import Recipe, train

ROWS, CLASSES, WORDS, LENGTH = 60, 3, 20, 6


def blobs(rows=ROWS, seed=0):
    """Three clouds in four dimensions: features and labels."""
    chance = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % CLASSES
    middles = 2.0 * torch.eye(CLASSES, 4)
    return middles[labels] + torch.randn(rows, 4, generator=chance), labels


def sentences(rows=ROWS, seed=0):
    """Words 1 to 3 each speak for a class, the others for none; 0 fills up: tokens and labels."""
    chance = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % CLASSES
    tokens = torch.randint(CLASSES + 1, WORDS, (rows, LENGTH), generator=chance)
    tokens[:, 0] = labels + 1
    tokens[torch.rand(rows, generator=chance) < 0.3, -1] = 0
    return tokens, labels


def numbers(rows=ROWS, seed=0):
    """A line and noise: features and targets."""
    chance = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, 4, generator=chance)
    return features, features[:, 0] + 0.3 * torch.randn(rows, generator=chance)


class Reader(nn.Module):
    """Embedding, mean of the words, linear."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 8, padding_idx=0)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, tokens):
        return self.last(torch.tanh(self.embedding(tokens).mean(1)))


def network():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, CLASSES))


def curve():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


RECIPES = {
    "linear": Recipe(lambda: nn.Linear(4, CLASSES), rate=0.5, epochs=20, batch_size=20, l2=1e-2),
    "network": Recipe(network, rate=0.5, epochs=20, batch_size=20, l2=1e-3),
    "words": Recipe(Reader, rate=1.0, epochs=20, batch_size=20, l2=1e-3),
    "numbers": Recipe(curve, rate=0.1, epochs=20, batch_size=20, l2=1e-3, objective=Regression()),
}
DATA = {"linear": blobs, "network": blobs, "words": sentences, "numbers": numbers}


def small_training(name, seed=0, **options):
    """A trained network of this kind."""
    return train(RECIPES[name], DATA[name](), seed=seed, **options)
