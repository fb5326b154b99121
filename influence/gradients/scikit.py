"""Fitted scikit-learn models as torch modules: the same predictions, and so every gradient, curvature and method.

LogisticRegression, SGDClassifier(loss="log_loss"), Ridge, LinearRegression, MLPClassifier, MLPRegressor, and a Pipeline
that ends in one of them: then rows are what its last step sees (`seen_features`). Labels are positions in `classes_`.
The parameters are scikit-learn's own, none added: a model of two classes keeps its one output z, and its objective
sets it beside a nought, softmax(0, z) = (1 - P, P). What it was penalised with, and several classes one against the
rest, are in `scikit_losses`. RidgeClassifier is left out: it fits squared errors to -1 and 1 and has no probabilities.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from torch import nn

from culpa.influence.gradients.objective import Classification, Objective, Regression
from culpa.influence.gradients.scikit_losses import TWO_CLASSES, OneVersusRest, damping_of, last_step

__all__ = ["as_network", "damping_of", "seen_features"]

INSTEAD = "score it by subset models, culpa.influence.estimators.fit_estimator, which take any estimator"
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


def as_network(estimator: Any) -> tuple[nn.Module, Objective]:
    """A fitted estimator as a module in double precision, and what it was trained for.

    Errors: ValueError for one that is not fitted, that is not in the module's list, or whose loss is not the same for
    every row (class weights).

    >>> fitted = LogisticRegression().fit([[0.0], [1.0], [3.0]], [0, 0, 1])
    >>> module, objective = as_network(fitted)
    >>> p = objective.scores(module, [torch.tensor([[2.0]]).double()]).softmax(1)
    >>> bool(np.allclose(p.detach(), fitted.predict_proba([[2.0]])))
    True
    """
    last = last_step(estimator)
    make = _MAKERS.get(type(last))
    if make is None:
        known = ", ".join(kind.__name__ for kind in _MAKERS)
        raise ValueError(f"{type(last).__name__} has no torch form, there is one of {known}: {INSTEAD}")
    if not (hasattr(last, "coef_") or hasattr(last, "coefs_")):
        raise ValueError(f"{type(last).__name__} is not fitted: call its fit first")
    if getattr(last, "class_weight", None) is not None:
        raise ValueError(
            f"{type(last).__name__} weighs its rows by class ({last.class_weight!r}), so that a row's loss is not the "
            f"model's alone: fit it without class_weight, or {INSTEAD}"
        )
    module, objective = make(last)
    return module.eval(), objective


def seen_features(estimator: Any, features: NDArray[Any]) -> NDArray[Any]:
    """What the last step of a fitted estimator sees of some rows: (rows, columns), for a Pipeline its steps' work."""
    return estimator[:-1].transform(features) if _has_steps(estimator) else features


def _has_steps(estimator: Any) -> bool:
    return isinstance(estimator, Pipeline) and len(estimator.steps) > 1


def _layer(weights: Any, bias: NDArray[Any] | None) -> nn.Linear:
    """A Linear layer of these weights, (outputs, inputs)."""
    if not isinstance(weights, np.ndarray):
        raise ValueError(f"the weights are a {type(weights).__name__}: call the estimator's densify first")
    layer = nn.Linear(weights.shape[1], weights.shape[0], bias=bias is not None, dtype=torch.double)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights.astype(np.float64)))
        if bias is not None:
            layer.bias.copy_(torch.from_numpy(bias.astype(np.float64)))
    return layer


def _linear(estimator: Any) -> nn.Linear:
    weights = np.atleast_2d(estimator.coef_) if isinstance(estimator.coef_, np.ndarray) else estimator.coef_
    return _layer(weights, np.atleast_1d(estimator.intercept_) if estimator.fit_intercept else None)


def _logistic(estimator: Any) -> tuple[nn.Module, Objective]:
    if getattr(estimator, "multi_class", "auto") not in ("auto", "deprecated"):
        raise ValueError(f"multi_class={estimator.multi_class!r} is no longer scikit-learn's: leave it out")
    module = _linear(estimator)
    if module.out_features == 1:
        return module, TWO_CLASSES
    return module, OneVersusRest() if estimator.solver == "liblinear" else Classification()


def _descended(estimator: Any) -> tuple[nn.Module, Objective]:
    """SGDClassifier: logistic, and for several classes one against the rest."""
    if estimator.loss != "log_loss":
        raise ValueError(
            f"SGDClassifier with the loss {estimator.loss!r} has no torch form: take loss='log_loss', or {INSTEAD}"
        )
    module = _linear(estimator)
    return module, TWO_CLASSES if module.out_features == 1 else OneVersusRest()


def _number(estimator: Any) -> tuple[nn.Module, Objective]:
    module = _linear(estimator)
    _check_one(estimator, module.out_features)
    return module, Regression()


def _network(estimator: Any) -> nn.Sequential:
    layers: list[nn.Module] = []
    for weights, bias in zip(estimator.coefs_, estimator.intercepts_, strict=True):
        layers += [_layer(weights.T, bias), ACTIVATIONS[estimator.activation]()]
    return nn.Sequential(*layers[:-1])


def _classifying_network(estimator: Any) -> tuple[nn.Module, Objective]:
    if estimator.out_activation_ == "softmax":
        return _network(estimator), Classification()
    _check_one(estimator, estimator.n_outputs_)
    return _network(estimator), TWO_CLASSES


def _predicting_network(estimator: Any) -> tuple[nn.Module, Objective]:
    _check_one(estimator, estimator.n_outputs_)
    if estimator.out_activation_ != "identity":
        raise ValueError(f"MLPRegressor with the loss {estimator.loss!r} has no torch form: take the squared error")
    return _network(estimator), Regression()


def _check_one(estimator: Any, outputs: int) -> None:
    if outputs != 1:
        raise ValueError(
            f"{type(estimator).__name__} predicts {outputs} things of each row, needed one: fit one model for each"
        )


_MAKERS: dict[type, Callable[[Any], tuple[nn.Module, Objective]]] = {
    LogisticRegression: _logistic,
    SGDClassifier: _descended,
    Ridge: _number,
    LinearRegression: _number,
    MLPClassifier: _classifying_network,
    MLPRegressor: _predicting_network,
}
