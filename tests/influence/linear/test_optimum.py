"""Loss, gradient and Hessian against automatic differentiation; the optimum against scikit-learn's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from culpa.influence.linear import fit, fit_linear
from culpa.influence.linear.exact import hessian, solver_of
from culpa.influence.linear.heads import head_for
from culpa.influence.linear.problem import Problem, penalties, predict
from culpa.influence.rows import Rows
from tests.influence.linear import dense
from tests.influence.small_rows import labelled, measured

L2 = 0.02
KINDS = {"two classes": 2, "three classes": 3, "numbers": 0}
UNIT = 10.0  # of a constant column: an intercept penalised by a hundredth is a weight on ten


@pytest.fixture(params=KINDS)
def rows(request):
    classes = KINDS[request.param]
    return labelled(200, classes, flipped=0.1)[0] if classes else measured(200)


def problem_of(rows, l2=L2):
    return Problem(rows.features, rows.labels, head_for(rows.classes), penalties(rows.features.shape[1], l2))


def some_weights(rows):
    return 0.3 * np.random.default_rng(5).standard_normal((max(rows.classes, 1), rows.features.shape[1] + 1))


def torch_objective(rows):
    """The penalised mean loss as a function of flat weights, in torch."""
    x, labels = torch.from_numpy(dense.design(rows)), torch.from_numpy(rows.labels)
    penalty = torch.from_numpy(dense.penalty_of(rows, L2))

    def value(flat):
        z = x @ flat.reshape(max(rows.classes, 1), -1).T
        mean = torch.nn.functional.cross_entropy(z, labels) if rows.classes else ((z[:, 0] - labels) ** 2).mean() / 2
        return mean + (penalty * flat**2).sum() / 2

    return value


def test_the_objective_and_its_gradient_equal_automatic_differentiation(rows):
    weights = some_weights(rows)
    flat = torch.tensor(weights.ravel(), requires_grad=True)
    expected = torch_objective(rows)(flat)
    expected.backward()
    loss, gradient = problem_of(rows).objective(weights)
    assert loss == pytest.approx(expected.item(), abs=1e-12)
    np.testing.assert_allclose(gradient.ravel(), flat.grad.numpy(), rtol=0, atol=1e-12)


def test_the_gradient_equals_finite_differences(rows):
    problem, weights, step = problem_of(rows), some_weights(rows), 1e-6
    _, gradient = problem.objective(weights)
    for place in np.ndindex(weights.shape):
        up, down = weights.copy(), weights.copy()
        up[place] += step
        down[place] -= step
        slope = (problem.objective(up)[0] - problem.objective(down)[0]) / (2 * step)
        assert gradient[place] == pytest.approx(slope, abs=1e-8)


def test_the_hessian_equals_automatic_differentiation(rows):
    weights = some_weights(rows)
    expected = torch.autograd.functional.hessian(torch_objective(rows), torch.tensor(weights.ravel())).numpy()
    found = hessian(problem_of(rows), weights)
    np.testing.assert_allclose(found, len(rows) * expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(dense.dense_hessian(rows, weights, len(rows) * L2), found, rtol=0, atol=1e-9)


def test_the_curvature_factors_are_those_of_the_curvature(rows):
    head, z = head_for(rows.classes), dense.outputs(rows, some_weights(rows))
    a, b = head.curvature_factors(z)
    expected = dense.row_curvatures(rows, some_weights(rows))
    found = a[:, :, None] * np.eye(a.shape[1]) - b[:, :, None] * b[:, None]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    left, right = np.triu_indices(a.shape[1])
    np.testing.assert_allclose(head.curvatures(z), expected[:, left, right], rtol=0, atol=1e-14)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_optimum_is_scikit_learns_with_the_scaling_converted(classes):
    rows = labelled(200, classes, flipped=0.1)[0]
    x = np.c_[rows.features, np.full(len(rows), UNIT)]
    halves = 2 if classes == 2 else 1  # with two classes theirs has one weight where ours has two, each half as large
    theirs = LogisticRegression(C=halves / (L2 * len(rows)), fit_intercept=False, solver="newton-cholesky", tol=1e-12)
    theirs.fit(x, rows.labels)
    found = predict(rows.features, fit.fit_weights(problem_of(rows)))
    ours = np.exp(found - np.logaddexp.reduce(found, axis=1, keepdims=True))
    np.testing.assert_allclose(ours, theirs.predict_proba(x), rtol=0, atol=1e-8)


def test_the_optimum_for_numbers_is_ridge_regression():
    rows = measured()
    x = np.c_[rows.features, np.full(len(rows), UNIT)]
    theirs = Ridge(alpha=L2 * len(rows), fit_intercept=False).fit(x, rows.labels)
    found = predict(rows.features, fit.fit_weights(problem_of(rows)))
    np.testing.assert_allclose(found[:, 0], theirs.predict(x), rtol=0, atol=1e-11)


@pytest.mark.parametrize(("precision", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-6)])
def test_the_gradient_at_the_optimum_is_as_small_as_promised(rows, precision, tolerance):
    narrow = Rows(rows.features.astype(precision), rows.labels, rows.classes, rows.groups)
    problem = problem_of(narrow)
    _, gradient = problem.objective(fit.fit_weights(problem))
    assert np.abs(gradient).max() < tolerance


def test_many_rows_fitted_by_way_of_a_sample_reach_the_same_optimum(rows, monkeypatch):
    problem = problem_of(rows)
    plain = fit.fit_weights(problem)
    made = []
    monkeypatch.setattr(fit, "LEAST_SAMPLE", 40)
    monkeypatch.setattr(fit, "solver_of", lambda part, weights: made.append(len(part)) or solver_of(part, weights))
    np.testing.assert_allclose(fit.fit_weights(problem), plain, rtol=0, atol=1e-6)
    assert min(made) == 40
    assert made.count(200) < made.count(40)


def test_large_models_reach_the_same_optimum_without_a_hessian(rows, monkeypatch):
    problem = problem_of(rows)
    plain = fit.fit_weights(problem)
    monkeypatch.setattr(fit, "NEWTON_PARAMETERS", 0)
    monkeypatch.delattr(fit, "solver_of")
    found = fit.fit_weights(problem)
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-5)
    assert np.abs(problem.objective(found)[1]).max() < 1e-6


def test_a_start_elsewhere_reaches_the_same_optimum(rows):
    problem = problem_of(rows)
    far = fit.fit_weights(problem, 30 * some_weights(rows))
    np.testing.assert_allclose(far, fit.fit_weights(problem), rtol=0, atol=1e-6)


def test_the_start_is_left_as_it_was(rows):
    start = some_weights(rows)
    before = start.copy()
    fit.fit_weights(problem_of(rows), start)
    np.testing.assert_array_equal(start, before)


def test_separable_classes_have_an_optimum_too():
    rows = labelled(60, 2, 2)[0]
    apart = replace(problem_of(rows, 1e-8), features=50 * rows.features)
    _, gradient = apart.objective(fit.fit_weights(apart))
    assert np.abs(gradient).max() < 1e-9


def test_many_rows_under_a_penalty_below_what_single_precision_rounds_off_still_have_an_optimum():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(400_000, 2)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(np.int64)
    flipped = generator.random(len(labels)) < 0.02
    labels[flipped] = 1 - labels[flipped]
    fitted = fit_linear(Rows(features, labels, 2, np.arange(len(labels))), l2=1e-4 / len(labels))
    assert np.abs(fitted.weights.sum(axis=0)).max() < 1e-6
    assert fitted.weights[1, 0] - fitted.weights[0, 0] == pytest.approx(6.1, abs=0.2)
    assert (fitted.scores().self_influence >= 0).all()
