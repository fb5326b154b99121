"""With and without a row, and without its duplicates: exact for squared loss, one Newton step from real refits else."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import spearmanr

from culpa.influence.linear import fit_linear
from culpa.influence.linear.without import row_steps
from culpa.influence.rows import Rows
from tests.influence.linear import dense
from tests.influence.small_rows import labelled, measured, with_copies

L2 = 0.03


def refitted(rows, fitted, kept, strength, at):
    """Outcome of row `at` after a refit on the rows at positions `kept`: probabilities, or the prediction."""
    z = dense.outputs(rows.take(np.array([at])), dense.refit(rows.take(kept), strength, fitted.weights))[0]
    return softmax(z) if rows.classes else z


def test_ridge_without_a_row_is_the_refit_to_the_last_digits():
    rows = measured(80)
    fitted = fit_linear(rows, l2=L2)
    scores = fitted.scores()
    for row in range(80):
        expected = refitted(rows, fitted, np.arange(80) != row, 80 * L2, row)
        assert scores.own_without[row] == pytest.approx(expected[0], abs=1e-9)
        assert scores.without[row, 0] == pytest.approx(expected[0], abs=1e-9)
    np.testing.assert_allclose(scores.own_with, dense.outputs(rows, fitted.weights)[:, 0], rtol=0, atol=1e-12)


def test_ridge_without_duplicates_of_other_targets_is_the_refit_to_the_last_digits():
    rows = with_copies(with_copies(measured(60), 5, [3.0, -1.0]), 20, [0.5])
    fitted = fit_linear(rows, l2=L2)
    scores, strength = fitted.scores(), len(rows) * L2
    for row in (5, 60, 61, 20, 62, 30):
        group = refitted(rows, fitted, rows.groups != rows.groups[row], strength, row)
        alone = refitted(rows, fitted, np.arange(len(rows)) != row, strength, row)
        assert scores.without[row, 0] == pytest.approx(group[0], abs=1e-9)
        assert scores.own_without[row] == pytest.approx(alone[0], abs=1e-9)


def test_ridge_rows_that_are_not_kept_are_scored_as_if_they_joined():
    rows = with_copies(measured(60), 5, [3.0])
    keep = np.arange(61) % 3 != 0  # row 60, the copy, is not kept; row 5 is
    fitted = fit_linear(rows, keep, l2=L2)
    scores, strength = fitted.scores(), keep.sum() * L2
    for row in (0, 30, 60):
        joined = refitted(rows, fitted, keep | (np.arange(61) == row), strength, row)
        plain = dense.outputs(rows.take(np.array([row])), fitted.weights)[0]
        assert scores.own_with[row] == pytest.approx(joined[0], abs=1e-9)
        assert scores.own_without[row] == pytest.approx(plain[0], abs=1e-9)
    group = refitted(rows, fitted, keep & (rows.groups != 5), strength, 60)
    assert scores.without[60, 0] == pytest.approx(group[0], abs=1e-9)
    assert scores.without[30, 0] == pytest.approx(scores.own_without[30], abs=1e-12)


def hard_rows(count=150, classes=3):
    return labelled(count, classes, features=6, flipped=0.15)[0]


def test_softmax_without_a_row_agrees_with_the_refit():
    rows = hard_rows()
    fitted = fit_linear(rows, l2=L2)
    scores, some = fitted.scores(), np.arange(0, 150, 3)
    expected = np.array([refitted(rows, fitted, np.arange(150) != row, 150 * L2, row) for row in some])
    np.testing.assert_allclose(scores.without[some], expected, rtol=0, atol=0.01)
    own = expected[np.arange(len(some)), rows.labels[some]]
    drop = scores.own_with[some] - own
    assert drop.max() > 0.05  # there is something to predict
    assert spearmanr((scores.own_with - scores.own_without)[some], drop).statistic > 0.999


def test_softmax_without_a_duplicate_group_agrees_with_the_refit():
    rows = hard_rows()
    for row in (3, 70, 111):
        rows = with_copies(rows, row, [rows.labels[row], (rows.labels[row] + 1) % 3])
    fitted = fit_linear(rows, l2=L2)
    scores = fitted.scores()
    for row in (3, 70, 111, 150, 151, 155):
        kept = rows.groups != rows.groups[row]
        expected = refitted(rows, fitted, kept, len(rows) * L2, row)
        plain = softmax(dense.outputs(rows.take(np.array([row])), fitted.weights)[0])
        np.testing.assert_allclose(
            scores.without[row], expected, rtol=0, atol=0.15 * np.abs(expected - plain).max() + 1e-3
        )
    np.testing.assert_allclose(scores.without[151], scores.without[3], rtol=0, atol=1e-10)


def test_softmax_rows_that_are_not_kept_are_scored_as_if_they_joined():
    rows = hard_rows()
    keep = np.arange(150) % 5 > 0
    fitted = fit_linear(rows, keep, l2=L2)
    scores, some = fitted.scores(), np.flatnonzero(~keep)
    joined = [refitted(rows, fitted, keep | (np.arange(150) == row), keep.sum() * L2, row) for row in some]
    own_with = np.array(joined)[np.arange(len(some)), rows.labels[some]]
    np.testing.assert_allclose(scores.own_with[some], own_with, rtol=0, atol=0.02)
    plain = softmax(dense.outputs(rows, fitted.weights), axis=1)
    np.testing.assert_allclose(scores.without[some], plain[some], rtol=0, atol=1e-11)
    np.testing.assert_allclose(scores.own_without[some], plain[some, rows.labels[some]], rtol=0, atol=1e-11)


def dense_steps(g, s, residual, copies):
    """(I - copies S G)^-1 R of one row."""
    return np.linalg.solve(np.eye(len(g)) - copies * s @ g, residual)


@pytest.mark.parametrize("form", ["whole", "diagonal"])
@pytest.mark.parametrize("copies", [1.0, 3.0, -1.0])
def test_steps_equal_the_formula_row_by_row(form, copies):
    chance = np.random.default_rng(0)
    factors = chance.standard_normal((20, 4, 4))
    g = 0.05 * factors @ factors.transpose(0, 2, 1) / np.abs(copies)
    g = g * np.eye(4) if form == "diagonal" else g
    p = softmax(2 * chance.standard_normal((20, 4)), axis=1)
    s = p[:, :, None] * np.eye(4) - p[:, :, None] * p[:, None]
    residuals = p - np.eye(4)[chance.integers(0, 4, 20)]
    left, right = np.triu_indices(4)
    packed = np.einsum("mkk->mk", g) if form == "diagonal" else g[:, left, right]
    steps, moved = row_steps(packed, (p, p), residuals.copy(), np.full(20, copies))
    expected = np.array([dense_steps(g[m], s[m], residuals[m], copies) for m in range(20)])
    np.testing.assert_allclose(steps, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(moved, np.einsum("mkl,ml->mk", g, expected), rtol=0, atol=1e-11)


def test_a_row_that_alone_holds_up_a_direction_still_gets_finite_scores():
    rows = labelled(40)[0]
    features = np.c_[rows.features, np.zeros(40)]
    features[7, -1] = 1e4
    fitted = fit_linear(Rows(features, rows.labels, 3, rows.groups), l2=1e-6)
    scores = fitted.scores()
    for column in vars(scores).values():
        assert np.isfinite(column).all()
    np.testing.assert_allclose(scores.without.sum(axis=1), 1, rtol=0, atol=1e-12)
