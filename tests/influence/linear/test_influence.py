"""Influence, its spread and its class means against the dense matrices they stand for."""

import numpy as np
import pytest

from culpa.influence.linear import fit_linear
from culpa.influence.linear.choose import agreement
from culpa.influence.linear.exact import fit_exact
from culpa.influence.rows import Rows
from tests.influence.linear import dense
from tests.influence.small_rows import labelled, measured

L2 = 0.02


@pytest.fixture(params=["two classes", "three classes", "numbers"])
def both(request):
    """Rows, reference rows of the same kind."""
    if request.param == "numbers":
        return measured(150), measured(70, seed=1)
    classes = 2 if request.param == "two classes" else 3
    return labelled(150, classes, flipped=0.1)[0], labelled(70, classes, seed=1)[0]


def dense_influence(rows, weights, reference, strength):
    """g_i' H^-1 g_v of all pairs: (rows, reference rows)."""
    solved = np.linalg.solve(dense.dense_hessian(rows, weights, strength), dense.gradients(reference, weights).T)
    return dense.gradients(rows, weights) @ solved


def test_influence_is_the_gradients_joined_by_the_inverse_hessian(both):
    rows, reference = both
    fitted = fit_linear(rows, l2=L2)
    expected = dense_influence(rows, fitted.weights, reference, len(rows) * L2)
    found = fitted.influence_between(np.arange(len(rows)), reference)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)
    some = np.array([17, 3, 3])
    np.testing.assert_allclose(fitted.influence_between(some, reference), expected[some], rtol=0, atol=1e-11)


def test_self_influence_is_the_diagonal_of_influence(both):
    rows, _ = both
    fitted = fit_linear(rows, l2=L2)
    found = fitted.scores().self_influence
    pairs = dense_influence(rows, fitted.weights, rows, len(rows) * L2)
    np.testing.assert_allclose(found, np.diagonal(pairs), rtol=0, atol=1e-11)
    np.testing.assert_allclose(found, np.diagonal(fitted.influence_between(np.arange(150), rows)), rtol=0, atol=1e-11)


def test_scores_on_reference_rows_are_statistics_of_the_pairs(both):
    rows, reference = both
    fitted = fit_linear(rows, l2=L2)
    pairs = dense_influence(rows, fitted.weights, reference, len(rows) * L2)
    found = fitted.influence_on(reference)
    np.testing.assert_allclose(found.mean, pairs.mean(axis=1), rtol=0, atol=1e-12)
    error = pairs.std(axis=1, ddof=1) / np.sqrt(len(reference))
    np.testing.assert_allclose(found.standard_error, error, rtol=1e-6, atol=1e-12)
    own = np.exp(-dense.losses(reference, fitted.weights))
    np.testing.assert_allclose(found.on_probability, (pairs * own).mean(axis=1), rtol=0, atol=1e-12)
    for label in range(max(rows.classes, 1)):
        some = reference.labels == label if rows.classes else np.ones(len(reference), np.bool_)
        np.testing.assert_allclose(found.by_class[:, label], pairs[:, some].mean(axis=1), rtol=0, atol=1e-12)


def test_the_effect_on_probability_is_the_derivative_of_the_probability():
    rows, reference = labelled(150, flipped=0.1)[0], labelled(20, seed=1)[0]
    fitted = fit_linear(rows, l2=L2)
    hessian = dense.dense_hessian(rows, fitted.weights, len(rows) * L2)
    moves = np.linalg.solve(hessian, dense.gradients(rows, fitted.weights).T).T.reshape(150, *fitted.weights.shape)

    def own(step):
        return np.exp(-dense.losses(reference, fitted.weights + step)).mean()

    found = fitted.influence_on(reference).on_probability
    for row in range(0, 150, 10):  # with the row weighed up a little, the weights move against its gradient
        slope = (own(-1e-4 * moves[row]) - own(1e-4 * moves[row])) / 2e-4
        assert found[row] == pytest.approx(slope, abs=1e-8)


def test_influence_is_the_derivative_of_the_reference_loss_in_the_weight_of_a_row(both):
    rows, reference = both
    fitted, strength = fit_linear(rows, l2=L2), len(rows) * L2
    found = fitted.influence_on(reference).mean
    for row in (0, 40, 99):
        lighter = dense.refit_weighed(rows, strength, fitted.weights, row, 1 - 1e-4)
        heavier = dense.refit_weighed(rows, strength, fitted.weights, row, 1 + 1e-4)
        slope = (dense.losses(reference, lighter) - dense.losses(reference, heavier)).mean() / 2e-4
        assert found[row] == pytest.approx(slope, rel=1e-4, abs=1e-9)


def test_summed_over_the_training_rows_influence_is_minus_the_penalty_term(both):
    rows, _ = both
    fitted, strength = fit_linear(rows, l2=L2), len(rows) * L2
    summed = len(rows) * fitted.influence_on(rows).mean
    solved = np.linalg.solve(
        dense.dense_hessian(rows, fitted.weights, strength), dense.penalty_of(rows, strength) * fitted.weights.ravel()
    )
    np.testing.assert_allclose(summed, -dense.gradients(rows, fitted.weights) @ solved, rtol=0, atol=1e-7)


def test_rows_that_are_not_kept_have_the_influence_of_joining(both):
    rows, reference = both
    keep = np.arange(len(rows)) % 4 > 0
    fitted = fit_linear(rows, keep, l2=L2)
    hessian = dense.dense_hessian(rows.take(keep), fitted.weights, keep.sum() * L2)
    expected = dense.gradients(rows, fitted.weights) @ np.linalg.solve(
        hessian, dense.gradients(reference, fitted.weights).T
    )
    np.testing.assert_allclose(fitted.influence_on(reference).mean, expected.mean(axis=1), rtol=0, atol=1e-11)
    own = np.einsum("ma,am->m", *_own_solve(rows, fitted.weights, hessian))
    np.testing.assert_allclose(fitted.scores().self_influence, own, rtol=0, atol=1e-11)


def _own_solve(rows, weights, hessian):
    gradients = dense.gradients(rows, weights)
    return gradients, np.linalg.solve(hessian, gradients.T)


def test_the_exact_curvature_agrees_with_itself(both):
    rows, _ = both
    fitted = fit_linear(rows, l2=L2)
    assert agreement(fitted.rows, fitted.weights, fit_exact(fitted.rows, fitted.weights)) == pytest.approx(1, abs=1e-9)
    assert fitted.report()["curvature"] == "exact"
    assert fitted.report()["curvature_agreement"] == 1.0


def test_a_class_without_reference_rows_has_no_mean_and_one_reference_row_no_standard_error():
    rows, reference = labelled(150)[0], labelled(70, seed=1)[0]
    fitted = fit_linear(rows, l2=L2)
    by_class = fitted.influence_on(reference.take(reference.labels != 1)).by_class
    assert np.isnan(by_class[:, 1]).all()
    assert np.isfinite(by_class[:, [0, 2]]).all()
    assert np.isnan(fitted.influence_on(reference.take(np.array([3]))).standard_error).all()


def test_many_classes_in_several_turns_give_the_same_class_means(monkeypatch):
    rows, reference = labelled(150, 5)[0], labelled(70, 5, seed=1)[0]
    fitted = fit_linear(rows, l2=L2)
    whole = fitted.influence_on(reference).by_class
    monkeypatch.setattr("culpa.influence.linear.reference.MOST_DIRECTION_ENTRIES", 1)
    np.testing.assert_allclose(fitted.influence_on(reference).by_class, whole, rtol=0, atol=1e-14)


def test_the_spread_in_a_direction_that_all_reference_rows_share_is_nought():
    rows = labelled(150)[0]
    again = Rows(np.repeat(rows.features[:1], 9, 0), np.repeat(rows.labels[:1], 9), 3, np.zeros(9, np.int64))
    found = fit_linear(rows, l2=L2).influence_on(again)
    assert np.abs(found.standard_error).max() < 1e-6 * np.abs(found.mean).max()
