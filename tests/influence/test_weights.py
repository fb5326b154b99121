"""Weights of the proxies: alike unless one is worse beyond chance, whatever the noise rewards."""

import numpy as np
import pytest

from culpa.influence import weights
from culpa.influence.rows import Rows
from culpa.influence.weights import proxy_weights

ROWS, CLASSES = 4_000, 4


def opinions(accuracy, labels, seed):
    """Out-of-sample probabilities whose likeliest class is the label that often."""
    chance = np.random.default_rng(seed)
    shift = np.where(chance.random(len(labels)) < accuracy, 0, chance.integers(1, CLASSES, len(labels)))
    return 0.1 + 0.6 * np.eye(CLASSES)[(labels + shift) % CLASSES]


@pytest.fixture
def rows():
    labels = np.random.default_rng(0).integers(0, CLASSES, ROWS)
    return Rows(np.zeros((ROWS, 1)), labels, CLASSES, np.arange(ROWS))


def test_proxies_that_err_alike_but_for_chance_weigh_the_same(rows):
    found = proxy_weights({name: opinions(0.8, rows.labels, seed) for seed, name in enumerate("abc")}, rows)
    assert found == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})


def test_a_proxy_that_is_clearly_worse_hardly_counts(rows):
    given = {"good": opinions(0.8, rows.labels, 0), "weak": opinions(0.4, rows.labels, 1)}
    found = proxy_weights(given, rows)
    assert found["weak"] < 0.01
    assert sum(found.values()) == pytest.approx(1)


def test_the_weight_is_the_formula_of_the_excess(rows):
    given = {"good": opinions(0.8, rows.labels, 0), "less": opinions(0.7, rows.labels, 1)}
    worse = (given["less"].argmax(axis=1) != rows.labels) * 1.0 - (given["good"].argmax(axis=1) != rows.labels)
    excess = worse.mean() - weights.STANDARD_ERRORS * worse.std() / np.sqrt(ROWS)
    ratio = (weights.FLOOR / (weights.FLOOR + excess)) ** weights.POWER
    found = proxy_weights(given, rows)
    assert found["less"] / found["good"] == pytest.approx(ratio)


def test_few_rows_prove_nothing(rows):
    few = rows.take(slice(0, 40))
    given = {"good": opinions(0.8, few.labels, 0), "weak": opinions(0.7, few.labels, 1)}
    assert proxy_weights(given, few) == pytest.approx({"good": 0.5, "weak": 0.5})


def test_for_numbers_the_residuals_decide_whatever_their_unit():
    chance = np.random.default_rng(0)
    target = chance.standard_normal(ROWS)
    rows = Rows(np.zeros((ROWS, 1)), target, 0, np.arange(ROWS))
    large = Rows(rows.features, 1_000 * target, 0, rows.groups)
    noise = chance.standard_normal((2, ROWS))
    given = {"good": (target + 0.1 * noise[0])[:, None], "weak": (target + 0.5 * noise[1])[:, None]}
    found = proxy_weights(given, rows)
    assert found["weak"] < 0.01
    assert proxy_weights({name: 1_000 * one for name, one in given.items()}, large) == pytest.approx(found)


def test_one_proxy_has_all_the_weight(rows):
    assert proxy_weights({"only": opinions(0.3, rows.labels, 0)}, rows) == {"only": 1.0}
