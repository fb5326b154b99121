"""Effects and their intervals against closed forms and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, mean_absolute_error, root_mean_squared_error

from culpa.influence.gate.effects import Sides, compare
from culpa.influence.gate.stopping import choose_stop, standard_error


def answers(generator, seeds, rows, classes, labels=None, lean=0.0):
    scores = generator.normal(size=(seeds, rows, classes))
    if labels is not None:
        scores[:, np.arange(rows), labels] += lean
    return np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def test_metrics_are_scikit_learns(generator):
    labels = generator.integers(0, 4, 120)
    first, second = (answers(generator, 1, 120, 4, labels, lean) for lean in (1.5, 0.5))
    found = {one.metric: one for one in compare(Sides(first, second, labels, 4), seed=0)}
    said = first[0].argmax(1)
    assert found["log_loss"].first == pytest.approx(log_loss(labels, first[0]))
    assert found["accuracy"].first == pytest.approx(accuracy_score(labels, said))
    assert found["macro_f1"].first == pytest.approx(f1_score(labels, said, average="macro"))
    assert found["log_loss"].effect == pytest.approx(found["log_loss"].second - found["log_loss"].first)
    assert found["accuracy"].effect > 0


def test_regression_metrics_are_scikit_learns(generator):
    targets, first = generator.normal(size=90), generator.normal(size=(1, 90, 1))
    found = {one.metric: one for one in compare(Sides(first, first + 1, targets, 0), seed=0)}
    assert found["rmse"].first == pytest.approx(root_mean_squared_error(targets, first[0, :, 0]))
    assert found["mae"].first == pytest.approx(mean_absolute_error(targets, first[0, :, 0]))


def test_the_interval_of_a_mean_is_that_of_its_standard_error(generator):
    """One seed, and differences whose mean has a known error: the bootstrap comes to 1.96 of it."""
    labels = np.zeros(400, np.int64)
    second = np.full((1, 400, 2), 0.5)
    gains = generator.normal(0.1, 0.2, 400).clip(-0.6, 0.6)
    first = second.copy()
    first[0, :, 0] = 0.5 * np.exp(gains)
    first[0, :, 1] = 1 - first[0, :, 0]
    loss = compare(Sides(first, second, labels, 2), seed=0)[0]
    error = gains.std(ddof=1) / 20
    assert loss.effect == pytest.approx(gains.mean())
    assert (loss.high - loss.low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_intervals_hold_the_truth_as_often_as_they_say(generator):
    held = 0
    for number in range(200):
        gains = generator.normal(0.05, 0.3, 60)
        second = np.full((1, 60, 1), 0.0)
        targets = np.zeros(60)
        first = second + gains[None, :, None]
        found = compare(Sides(first, second, targets, 0), seed=number)[1]  # mae of the first less nought
        held += found.low <= -np.sqrt(2 / np.pi) * 0.3 * 1.0056 <= found.high
    assert 0.88 <= held / 200 <= 0.99


def test_seeds_that_differ_widen_the_interval(generator):
    labels = np.zeros(200, np.int64)
    second = np.full((4, 200, 2), 0.5)
    steady, shaky = second.copy(), second.copy()
    steady[:, :, 0], shaky[:, :, 0] = 0.6, np.array([0.5, 0.55, 0.65, 0.7])[:, None]
    one, other = (compare(Sides(first, second, labels, 2), seed=0)[0] for first in (steady, shaky))
    assert other.high - other.low > 10 * (one.high - one.low)


def test_the_least_removal_within_one_error_of_the_best_is_chosen(generator):
    base = generator.normal(1, 0.3, (2, 100))
    noise = [np.zeros((2, 100)), *(generator.normal(0, 0.1, (2, 100)) for _ in range(3))]
    losses = np.stack([base + shift + extra for shift, extra in zip((0, -0.3, -0.301, -0.2), noise, strict=True)])
    assert choose_stop(losses).stop == 1
    assert choose_stop(losses[[0, 3, 2, 1]]).stop == 2


def test_noise_alone_removes_nothing(generator):
    chosen = [choose_stop(np.concatenate([np.ones((1, 2, 80)), 1 + generator.normal(0.05, 0.3, (3, 2, 80))])).stop
              for _ in range(100)]  # fmt: skip
    assert np.mean(np.array(chosen) == 0) > 0.9


def test_the_standard_error_is_that_of_the_mean(generator):
    found = standard_error(generator.normal(size=(1, 1, 10_000)))
    assert found[0] == pytest.approx(0.01, rel=0.05)
