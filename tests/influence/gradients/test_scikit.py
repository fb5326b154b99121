"""Torch forms of fitted scikit-learn models: their predictions, their losses' gradients, and influence through them."""

import warnings

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn._loss import HalfBinomialLoss, HalfMultinomialLoss, HalfSquaredError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.linear_model._linear_loss import LinearModelLoss
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from culpa.influence.attribution.through_curvature import NetworkInfluence
from culpa.influence.curvature import fit_dense, fit_ekfac
from culpa.influence.gradients import Classification, Regression, capture
from culpa.influence.gradients.scikit import as_network, damping_of, seen_features
from culpa.influence.gradients.scikit_losses import OneVersusRest
from culpa.influence.linear import fit_linear
from culpa.influence.rows import Rows
from tests.influence.small_rows import labelled, measured

LOGISTIC = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1_000}
NETWORK = {"hidden_layer_sizes": 4, "activation": "tanh", "solver": "lbfgs", "max_iter": 9_000, "random_state": 0}
EVERY = {
    "logistic, two classes": (2, lambda: LogisticRegression()),
    "logistic, three classes": (3, lambda: LogisticRegression()),
    "logistic without intercept": (3, lambda: LogisticRegression(fit_intercept=False)),
    "descent, two classes": (2, lambda: SGDClassifier(loss="log_loss", random_state=0)),
    "descent, three classes": (3, lambda: SGDClassifier(loss="log_loss", random_state=0, average=True)),
    "ridge": (0, lambda: Ridge(alpha=3.0)),
    "least squares": (0, lambda: LinearRegression()),
    "network, two classes": (2, lambda: MLPClassifier((6, 5), max_iter=30, random_state=0)),
    "network, relu": (3, lambda: MLPClassifier((6, 5), activation="relu", max_iter=30, random_state=0)),
    "network, tanh": (3, lambda: MLPClassifier(7, activation="tanh", max_iter=30, random_state=0)),
    "network, logistic": (3, lambda: MLPClassifier(7, activation="logistic", max_iter=30, random_state=0)),
    "network, identity": (3, lambda: MLPClassifier(7, activation="identity", max_iter=30, random_state=0)),
    "network of a number": (0, lambda: MLPRegressor(hidden_layer_sizes=(6, 5), max_iter=30, random_state=0)),
    "pipeline": (3, lambda: make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression())),
    "pipeline of one step": (2, lambda: make_pipeline(LogisticRegression())),
}


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few iterations: it need not be the optimum
        yield


def rows_for(classes, count=60):
    return labelled(count, classes, flipped=0.1)[0] if classes else measured(count)


def fitted(name):
    """A fitted estimator and the rows it was fitted on."""
    classes, make = EVERY[name]
    rows = rows_for(classes)
    return make().fit(rows.features, rows.labels), rows


def batch_of(estimator, rows):
    return torch.from_numpy(seen_features(estimator, rows.features)), torch.from_numpy(rows.labels)


def probabilities(module, objective, batch):
    if isinstance(objective, OneVersusRest):
        return objective.probabilities(module, batch)
    return objective.scores(module, batch).softmax(1)


@pytest.mark.parametrize("name", EVERY)
def test_the_module_predicts_what_the_estimator_does(name):
    estimator, rows = fitted(name)
    module, objective = as_network(estimator)
    batch = batch_of(estimator, rows)
    with torch.no_grad():
        if rows.classes:
            found, expected = probabilities(module, objective, batch), estimator.predict_proba(rows.features)
        else:
            found, expected = objective.predictions(module, batch), estimator.predict(rows.features)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", EVERY)
def test_no_parameter_is_added(name):
    estimator, _ = fitted(name)
    last = estimator[-1] if name.startswith("pipeline") else estimator
    own = [*last.coefs_, *last.intercepts_] if hasattr(last, "coefs_") else [last.coef_]
    if hasattr(last, "coef_") and last.fit_intercept:
        own.append(last.intercept_)
    module, _ = as_network(estimator)
    assert sum(parameter.numel() for parameter in module.parameters()) == sum(np.size(part) for part in own)


LOSSES = {"two classes": HalfBinomialLoss, "three classes": lambda: HalfMultinomialLoss(n_classes=3)}


@pytest.mark.parametrize("name", ["logistic, two classes", "logistic, three classes", "ridge"])
def test_a_rows_gradient_is_that_of_scikit_learns_own_loss(name):
    estimator, rows = fitted(name)
    loss = LinearModelLoss(LOSSES.get(name.split(", ")[-1], HalfSquaredError)(), fit_intercept=True)
    weights = np.concatenate([np.atleast_2d(estimator.coef_), np.reshape(estimator.intercept_, (-1, 1))], axis=1)
    module, objective = as_network(estimator)
    found = capture(module, objective.losses, batch_of(estimator, rows))
    for row in range(0, len(rows), 7):
        features, label = rows.features[row : row + 1], rows.labels[row : row + 1].astype(np.float64)
        weights = weights if len(weights) > 1 else weights.ravel()
        value, gradient = loss.loss_gradient(weights, features, label, l2_reg_strength=0.0)
        assert float(found.losses[row]) == pytest.approx(value, abs=1e-12)
        np.testing.assert_allclose(found.layers[""].written_out()[row], gradient.ravel(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_gradients_are_autograds(name):
    estimator, rows = fitted(name)
    module, objective = as_network(estimator)
    features, labels = batch_of(estimator, rows)
    found = capture(module, objective.losses, (features, labels))
    for row in (0, 17, 59):
        loss = objective.losses(module, (features[row : row + 1], labels[row : row + 1])).sum()
        for layer, gradients in found.layers.items():
            parts = torch.autograd.grad(loss, list(module.get_submodule(layer).parameters()), retain_graph=True)
            expected = torch.cat([part.reshape(len(parts[0]), -1) for part in parts], dim=1).flatten()
            torch.testing.assert_close(gradients.written_out()[row], expected, rtol=0, atol=1e-12)


OPTIMA = {
    "logistic, two classes": (2, LogisticRegression(C=0.3, **LOGISTIC)),
    "logistic, three classes": (3, LogisticRegression(C=0.5, **LOGISTIC)),
    "no penalty": (3, LogisticRegression(C=np.inf, **LOGISTIC)),
    "ridge": (0, Ridge(alpha=5.0)),
    "least squares": (0, LinearRegression()),
    "network": (3, MLPClassifier(alpha=2.0, tol=1e-12, **NETWORK)),
    "network of a number": (0, MLPRegressor(alpha=2.0, tol=1e-12, **NETWORK)),
}


@pytest.mark.parametrize("name", OPTIMA)
def test_at_the_optimum_the_mean_gradient_and_the_penalty_cancel(name):
    classes, estimator = OPTIMA[name]
    rows = labelled(60, classes, flipped=0.3)[0] if classes else measured(60)
    module, objective = as_network(estimator.fit(rows.features, rows.labels))
    objective.losses(module, batch_of(estimator, rows)).mean().backward()
    damping = damping_of(estimator, len(rows))
    for parameter_name, parameter in module.named_parameters():
        pull = damping * parameter if parameter_name.endswith("weight") else torch.zeros_like(parameter)
        assert (parameter.grad + pull).abs().max() < 1e-4, parameter_name  # L-BFGS ends where the loss stands still
    largest = max(float(parameter.grad.abs().max()) for parameter in module.parameters())
    assert damping == 0 or largest > 1e-2  # so that half the penalty, or twice, would not cancel


def test_a_step_of_an_mlp_is_a_step_down_the_mean_loss_with_this_penalty():
    rows = rows_for(3, count=16)
    options = {"activation": "tanh", "alpha": 5.0, "batch_size": 8, "shuffle": False, "momentum": 0.0, "max_iter": 1}
    estimator = MLPClassifier(4, solver="sgd", learning_rate_init=0.05, random_state=0, warm_start=True, **options)
    module, objective = as_network(estimator.fit(rows.features, rows.labels))
    features, labels = batch_of(estimator, rows)
    for block in (slice(0, 8), slice(8, 16)):
        module.zero_grad()
        objective.losses(module, (features[block], labels[block])).mean().backward()
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                pull = damping_of(estimator, 16) * parameter if name.endswith("weight") else 0.0
                parameter -= 0.05 * (parameter.grad + pull)
    estimator.fit(rows.features, rows.labels)  # goes on from where it was
    for layer, weights in zip((module[0], module[2]), estimator.coefs_, strict=True):
        np.testing.assert_allclose(layer.weight.detach().numpy(), weights.T, rtol=0, atol=1e-12)


def test_descent_ends_near_the_optimum_of_its_loss_with_this_penalty():
    rows = labelled(200, 2, flipped=0.2)[0]
    estimator = SGDClassifier(
        loss="log_loss", alpha=0.05, learning_rate="invscaling", eta0=0.5, power_t=0.5, max_iter=4_000, tol=None,
        average=True, random_state=0,
    )  # fmt: skip
    estimator.fit(rows.features, rows.labels)
    same = LogisticRegression(C=1 / (200 * damping_of(estimator, 200)), **LOGISTIC).fit(rows.features, rows.labels)
    np.testing.assert_allclose(estimator.coef_, same.coef_, rtol=0.02, atol=2e-3)
    assert damping_of(same, 200) == pytest.approx(0.05)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("make", [LogisticRegression, lambda: SGDClassifier(loss="log_loss", random_state=0)])
def test_gauss_newton_is_the_hessian_of_the_mean_loss(classes, make):
    rows = rows_for(classes)
    estimator = make().fit(rows.features, rows.labels)
    module, objective = as_network(estimator)
    batch = batch_of(estimator, rows)

    def loss(table):
        def with_these(features):
            return features @ table[:, :-1].T + table[:, -1]

        return objective.losses(with_these, batch).mean()

    table = torch.cat([module.weight, module.bias[:, None]], dim=1).detach()
    hessian = torch.autograd.functional.hessian(loss, table).reshape(table.numel(), -1)
    hessian.diagonal().add_(0.01)
    factor = fit_dense(module, objective, [batch], seed=0, damping=0.01).factor
    torch.testing.assert_close(factor @ factor.T, hessian, rtol=0, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_influence_equals_the_linear_proxys(classes):
    """The proxy's intercept has a hundredth of the penalty: a column of tens, penalised in full, is the same."""
    rows, reference = labelled(150, classes, flipped=0.1)[0], labelled(40, classes, seed=1)[0]
    l2, share = 0.02, 2 if classes == 2 else 1  # two columns of weights share what one has: half the penalty
    proxy = fit_linear(rows, l2=l2)

    def with_tens(some):
        return Rows(np.c_[some.features, np.full(len(some), 10.0)], some.labels, classes, some.groups)

    estimator = LogisticRegression(C=share / (l2 * len(rows)), fit_intercept=False, **LOGISTIC)
    estimator.fit(with_tens(rows).features, rows.labels)
    found = influence_through(estimator, fit_dense, with_tens(rows))
    pairs = found.between([batch_of(estimator, with_tens(rows))], [batch_of(estimator, with_tens(reference))])
    expected = proxy.influence_between(np.arange(len(rows)), reference)
    np.testing.assert_allclose(pairs.numpy(), expected, rtol=0, atol=1e-7)
    own = found.own([batch_of(estimator, with_tens(rows))])
    np.testing.assert_allclose(own.numpy(), proxy.scores().self_influence, rtol=0, atol=1e-7)


def influence_through(estimator, fit, rows):
    module, objective = as_network(estimator)
    damping = damping_of(estimator, len(rows))
    curvature = fit(module, objective, [batch_of(estimator, rows)], seed=0, damping=damping)
    return NetworkInfluence(module, objective, curvature, len(rows))


@pytest.mark.parametrize("classes", [2, 3])
def test_influence_predicts_refits_without_a_row(classes):
    rows, reference = labelled(150, classes, flipped=0.1)[0], labelled(5, classes, seed=1)[0]
    removed = np.arange(0, 150, 2)
    estimator = _logistic(rows)
    found, training = influence_through(estimator, fit_dense, rows), [batch_of(estimator, rows)]
    pairs = found.between(training, [batch_of(estimator, reference)]).numpy()[removed]
    own = found.own(training).numpy()[removed]
    again = [_logistic(rows.take(np.arange(150) != row)) for row in removed]
    for number in range(len(reference)):
        truth = [_losses(one, reference)[number] for one in again]
        assert spearmanr(pairs[:, number], truth).statistic > 0.99
    truth = [_losses(one, rows)[row] for one, row in zip(again, removed, strict=True)] - _losses(estimator, rows)[
        removed
    ]
    assert spearmanr(own, truth).statistic > 0.99


def _logistic(rows):
    """Without intercept, which scikit-learn does not penalise but damping would."""
    return LogisticRegression(C=0.1, fit_intercept=False, **LOGISTIC).fit(rows.features, rows.labels)


def _losses(estimator, rows):
    return -np.log(estimator.predict_proba(rows.features)[np.arange(len(rows)), rows.labels])


@pytest.mark.parametrize("name", EVERY)
def test_curvatures_and_influence_work_on_every_one(name):
    estimator, rows = fitted(name)
    module, objective = as_network(estimator)
    batch = batch_of(estimator, rows)
    found = NetworkInfluence(module, objective, fit_ekfac(module, objective, [batch], seed=0), len(rows))
    pairs, own = found.between([batch], [batch]), found.own([batch])
    torch.testing.assert_close(pairs.diagonal(), own, rtol=1e-9, atol=1e-12)
    assert (own >= 0).all()
    assert own.max() > 0


def test_objectives_are_the_usual_ones():
    kinds = {name: type(as_network(fitted(name)[0])[1]) for name in EVERY}
    assert {name for name, kind in kinds.items() if kind is Regression} == {
        "ridge", "least squares", "network of a number",
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind is OneVersusRest} == {"descent, three classes"}
    assert sum(kind is Classification for kind in kinds.values()) == len(EVERY) - 4


REFUSED = {
    "other": (RidgeClassifier(), "RidgeClassifier has no torch form, there is one of .*: score it by subset models"),
    "hinge": (SGDClassifier(), "SGDClassifier with the loss 'hinge' has no torch form: take loss='log_loss'"),
    "weighed": (LogisticRegression(class_weight="balanced"), r"weighs its rows by class \('balanced'\).*without class"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_torch_form_is_refused_with_the_cure(name):
    estimator, message = REFUSED[name]
    rows = rows_for(2)
    with pytest.raises(ValueError, match=message):
        as_network(estimator.fit(rows.features, rows.labels))


def test_several_outputs_are_refused():
    rows = rows_for(0)
    both = np.c_[rows.labels, rows.labels]
    for estimator in (Ridge(), MLPRegressor(max_iter=2), MLPClassifier(3, max_iter=2)):
        targets = (both > 0).astype(int) * [[1, 0]] + [[0, 1]] * (np.arange(len(both)) % 2)[:, None]
        estimator.fit(rows.features, targets if isinstance(estimator, MLPClassifier) else both)
        with pytest.raises(ValueError, match="predicts 2 things of each row, needed one"):
            as_network(estimator)


def test_what_is_not_fitted_or_sparse_is_refused():
    with pytest.raises(ValueError, match="LogisticRegression is not fitted: call its fit first"):
        as_network(LogisticRegression())
    estimator, _ = fitted("logistic, three classes")
    with pytest.raises(ValueError, match="call the estimator's densify first"):
        as_network(estimator.sparsify())


def test_penalties_that_no_damping_stands_for_are_refused():
    for estimator in (
        LogisticRegression(l1_ratio=0.5, solver="saga"),
        LogisticRegression(penalty="l1", solver="saga"),
        SGDClassifier(loss="log_loss", penalty="elasticnet"),
    ):
        with pytest.raises(ValueError, match="which no damping stands for: fit it with 'l2'"):
            damping_of(estimator, 100)
    with pytest.raises(ValueError, match="the penalty of RidgeClassifier is not known"):
        damping_of(RidgeClassifier(), 100)
