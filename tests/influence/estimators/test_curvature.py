"""The curvature of an estimator's own objective: the second derivative of what it minimises; and against refits."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn._loss import HalfBinomialLoss, HalfMultinomialLoss, HalfSquaredError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.linear_model._linear_loss import LinearModelLoss
from sklearn.neural_network import MLPRegressor

from culpa.influence.attribution.through_curvature import NetworkInfluence
from culpa.influence.curvature import fit_dense
from culpa.influence.estimators.curvature import fit_penalised
from culpa.influence.gradients.scikit import as_network, damping_of
from tests.influence.small_rows import labelled, measured

SOLVED = {"solver": "newton-cholesky", "tol": 1e-10}
CASES = {
    "two classes": (2, lambda: LogisticRegression(C=0.1, **SOLVED), HalfBinomialLoss()),
    "three classes": (3, lambda: LogisticRegression(C=0.1, **SOLVED), HalfMultinomialLoss(n_classes=3)),
    "numbers": (0, lambda: Ridge(alpha=20.0), HalfSquaredError()),
}


@pytest.fixture(params=CASES)
def case(request):
    classes, make, loss = CASES[request.param]
    rows = labelled(150, classes, flipped=0.1)[0] if classes else measured(150)
    return rows, make, loss, make().fit(rows.features, rows.labels)


def batch_of(rows):
    return torch.from_numpy(rows.features), torch.from_numpy(rows.labels)


def test_it_is_the_hessian_of_what_scikit_learn_minimises(case):
    rows, _, loss, estimator = case
    objective = LinearModelLoss(loss, fit_intercept=True)
    weights = np.c_[np.atleast_2d(estimator.coef_), np.reshape(estimator.intercept_, (-1, 1))]
    weights = weights if len(weights) > 1 else weights.ravel()
    l2 = damping_of(estimator, 150)
    _, hessian, _ = objective.gradient_hessian(
        np.asfortranarray(weights), rows.features, rows.labels.astype(float), l2_reg_strength=l2
    )
    fitted = fit_penalised(estimator, [batch_of(rows)])
    outputs, width = np.atleast_2d(weights).shape
    order = np.arange(outputs * width).reshape(width, outputs).T.ravel()  # scikit-learn lays classes out first
    found = (fitted.factor @ fitted.factor.T).numpy() - fitted.added * np.eye(outputs * width)
    np.testing.assert_allclose(found, hessian[np.ix_(order, order)], rtol=0, atol=1e-12)


def test_it_ranks_rows_as_refits_do_where_damping_the_intercept_does_not(case):
    rows, make, _, estimator = case
    reference = labelled(15, rows.classes, seed=1)[0] if rows.classes else measured(15, seed=1)
    removed = np.arange(0, 150, 3)
    again = [make().fit(rows.features[kept], rows.labels[kept]) for kept in (np.arange(150) != row for row in removed)]
    truth = np.array([losses(one, reference) for one in again])
    module, objective = as_network(estimator)
    damped = fit_dense(module, objective, [batch_of(rows)], seed=0, damping=damping_of(estimator, 150))
    agreements = []
    for curvature in (fit_penalised(estimator, [batch_of(rows)]), damped):
        pairs = NetworkInfluence(module, objective, curvature, 150).between([batch_of(rows)], [batch_of(reference)])
        ranks = [spearmanr(pairs[removed, number], truth[:, number]).statistic for number in range(15)]
        agreements.append(np.median(ranks))
    assert agreements[0] > 0.99
    assert agreements[0] > agreements[1]


def losses(estimator, rows):
    if rows.classes:
        return -np.log(estimator.predict_proba(rows.features)[np.arange(len(rows)), rows.labels])
    return (estimator.predict(rows.features) - rows.labels) ** 2 / 2


@pytest.mark.filterwarnings("ignore")
def test_the_biases_of_every_layer_of_a_network_are_free():
    rows = measured(40)
    estimator = MLPRegressor(hidden_layer_sizes=3, activation="tanh", alpha=4.0, solver="lbfgs", random_state=0)
    module, objective = as_network(estimator.fit(rows.features, rows.labels))
    plain = fit_dense(module, objective, [batch_of(rows)], seed=0, damping=1.0).factor
    found = fit_penalised(estimator, [batch_of(rows)])
    added = (found.factor @ found.factor.T - plain @ plain.T).diagonal().numpy() + 1.0 - found.added
    expected = [0.1] * 4 + [0.0]
    np.testing.assert_allclose(added, expected * 3 + [0.1] * 3 + [0.0], rtol=0, atol=1e-10)
