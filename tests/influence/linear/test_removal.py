"""The effect of a removal, to second order, against the dense derivatives it is made of and against real refits."""

import pickle

import numpy as np
import pytest

from culpa.influence.linear import fit_linear
from tests.influence.linear import dense
from tests.influence.small_rows import labelled, measured

L2 = 0.02
ROWS = 150


@pytest.fixture(params=["two classes", "three classes"])
def classes(request):
    """Training rows, of which every fifth takes no part, and reference rows."""
    count = 2 if request.param == "two classes" else 3
    return labelled(ROWS, count, flipped=0.1)[0], np.arange(ROWS) % 5 > 0, labelled(70, count, seed=1)[0]


def effect_of(rows, keep, row, fitted, reference):
    """Rise of the mean reference loss by real refits: without the row, or with it where it took no part."""
    changed = keep.copy()
    changed[row] = ~keep[row]
    weights = dense.refit(rows.take(changed), keep.sum() * L2, fitted.weights)
    rise = (dense.losses(reference, weights) - dense.losses(reference, fitted.weights)).mean()
    return rise if keep[row] else -rise


def test_removal_is_what_refits_say_for_rows_in_the_training_and_out_of_it(classes):
    rows, keep, reference = classes
    fitted = fit_linear(rows, keep, l2=L2)
    found = fitted.influence_on(reference)
    some = np.arange(0, ROWS, 7)
    truth = np.array([effect_of(rows, keep, row, fitted, reference) for row in some])
    errors, plain = (np.abs(values[some] - truth) for values in (found.removal, found.mean))
    assert errors.max() < 0.02 * np.abs(truth).max()
    assert errors.sum() < plain.sum() / 10


def test_what_is_left_out_is_of_third_order(classes):
    """With every row there 2, 4 and 8 times, taking one out is a step of a half, a quarter, an eighth."""
    rows, _, reference = classes
    errors = []
    for copies in (2, 4, 8):
        many = rows.take(np.tile(np.arange(ROWS), copies))
        fitted = fit_linear(many, l2=L2)
        found, keep = fitted.influence_on(reference), np.ones(len(many), np.bool_)
        truth = np.array([effect_of(many, keep, row, fitted, reference) for row in range(0, ROWS, 15)])
        errors.append(np.abs(found.removal[:ROWS:15] - truth).max())
    assert errors[0] / errors[1] > 6
    assert errors[1] / errors[2] > 6


def test_removal_is_exact_for_squared_loss():
    rows, reference = measured(ROWS), measured(70, seed=1)
    keep = np.arange(ROWS) % 5 > 0
    fitted = fit_linear(rows, keep, l2=L2)
    found = fitted.influence_on(reference).removal
    for row in range(0, ROWS, 7):
        assert found[row] == pytest.approx(effect_of(rows, keep, row, fitted, reference), abs=1e-9)


def test_the_bend_of_a_part_of_the_rows_stands_for_that_of_all(monkeypatch):
    rows, reference = labelled(3_000, flipped=0.1)[0], labelled(70, seed=1)[0]
    whole = fit_linear(rows, l2=L2).influence_on(reference)
    monkeypatch.setattr("culpa.influence.linear.removal.MOST_BENDING_ROWS", 1_000)
    part = fit_linear(rows, l2=L2).influence_on(reference)
    bends = np.abs(whole.removal - whole.mean)
    assert 0 < np.abs(part.removal - whole.removal).max() < 0.3 * bends.max()


def test_scores_asked_before_or_after_do_not_change_the_effect(classes):
    rows, keep, reference = classes
    first, second = (fit_linear(rows, keep, l2=L2) for _ in range(2))
    first.scores()
    np.testing.assert_array_equal(first.influence_on(reference).removal, second.influence_on(reference).removal)
    again = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(again.influence_on(reference).removal, second.influence_on(reference).removal)


def test_the_cheaper_curvatures_know_the_first_order_alone():
    rows, reference = labelled(ROWS, flipped=0.1)[0], labelled(70, seed=1)[0]
    found = fit_linear(rows, l2=L2, memory=1.0).influence_on(reference)
    np.testing.assert_array_equal(found.removal, found.mean)
