"""Estimators that are judged exactly: against scikit-learn's own refits without a row; and those that must not be."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from culpa.influence.estimators import fit_estimator
from tests.influence.small_rows import labelled, measured

SOLVED = {"solver": "newton-cholesky", "tol": 1e-10}
EXACT = {
    "two classes": (2, lambda: LogisticRegression(C=0.1, **SOLVED)),
    "three classes": (3, lambda: LogisticRegression(C=0.3, **SOLVED)),
    "numbers": (0, lambda: Ridge(alpha=3.0)),
    "scaled": (3, lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.3, **SOLVED))),
}


@pytest.fixture(scope="module", params=EXACT)
def case(request):
    """Rows, the fitted proxy, reference rows, the removed ones, and the estimator without each of them."""
    classes, make = EXACT[request.param]
    rows = labelled(120, classes, flipped=0.1)[0] if classes else measured(120)
    reference = labelled(40, classes, seed=1)[0] if classes else measured(40, seed=1)
    removed = np.arange(0, 120, 3)
    whole = make().fit(rows.features, rows.labels)
    without = [refit(whole, rows.take(np.arange(120) != row)) for row in removed]
    return rows, fit_estimator(make, rows, seed=0), reference, removed, without, whole


def refit(whole, rows):
    """Another training of the last step, the steps before it as they are."""
    if not isinstance(whole, Pipeline):
        return clone(whole).fit(rows.features, rows.labels)
    steps = whole[:-1]
    last = clone(whole[-1]).fit(steps.transform(rows.features), rows.labels)
    return Pipeline([*steps.steps, ("last", last)])


def own(estimator, rows):
    if rows.classes:
        return estimator.predict_proba(rows.features)[np.arange(len(rows)), rows.labels]
    return estimator.predict(rows.features)


def losses(estimator, rows):
    return -np.log(own(estimator, rows)) if rows.classes else (own(estimator, rows) - rows.labels) ** 2 / 2


def test_it_is_judged_by_one_training(case):
    _, fitted, _, _, _, estimator = case
    assert fitted.report()["judged_by"] == "exact curvature"
    assert fitted.report()["curvature"] == "exact"
    assert fitted.report()["estimator"] == " ".join(str(estimator).split())
    assert fitted.name in ("logisticregression", "ridge")


def test_outcomes_without_a_row_are_those_of_a_refit(case):
    rows, fitted, _, removed, without, _ = case
    scores = fitted.scores()
    truth = np.array([own(one, rows.take(np.array([row])))[0] for one, row in zip(without, removed, strict=True)])
    np.testing.assert_allclose(scores.own_without[removed], truth, rtol=0, atol=0.02)
    assert spearmanr(scores.own_without[removed], truth).statistic > 0.99


def test_influence_orders_rows_as_refits_move_the_mean_reference_loss(case):
    _, fitted, reference, removed, without, estimator = case
    before = losses(estimator, reference).mean()
    truth = np.array([losses(one, reference).mean() - before for one in without])
    assert spearmanr(fitted.influence_on(reference).removal[removed], truth).statistic > 0.99


def test_influence_on_single_reference_rows_orders_rows_as_refits_do(case):
    _, fitted, reference, removed, without, _ = case
    pairs = fitted.influence_between(removed, reference)
    truth = np.array([losses(one, reference) for one in without])
    found = [spearmanr(pairs[:, number], truth[:, number]).statistic for number in range(len(reference))]
    assert np.median(found) > 0.99


NOT_EXACT = {
    "weighed": (3, lambda: LogisticRegression(class_weight="balanced")),
    "stopped early": (3, lambda: LogisticRegression(C=100.0, max_iter=1)),
    "without intercept": (3, lambda: LogisticRegression(fit_intercept=False)),
    "another penalty": (3, lambda: LogisticRegression(l1_ratio=1.0, solver="liblinear")),
    "no penalty": (3, lambda: LogisticRegression(C=np.inf)),
    "descent": (3, lambda: SGDClassifier(loss="log_loss")),
    "constrained": (0, lambda: Ridge(positive=True)),
    "something else": (0, lambda: make_pipeline(PolynomialFeatures(2), PCA(3), LeastSquares())),
}


class LeastSquares(Ridge):
    """A user's own."""


@pytest.mark.parametrize("name", NOT_EXACT)
@pytest.mark.filterwarnings("ignore")
def test_what_is_another_model_is_judged_by_subsets(name):
    classes, make = NOT_EXACT[name]
    if name == "another penalty":
        classes = 2
    rows = labelled(60, classes, flipped=0.1)[0] if classes else measured(60)
    assert fit_estimator(make, rows, seed=0).report()["judged_by"] == "subset models"


def test_a_class_that_no_kept_row_has_is_left_to_subsets():
    rows, _ = labelled(60)
    assert fit_estimator(LogisticRegression, rows, rows.labels < 2, seed=0).report()["judged_by"] == "subset models"


def test_reference_rows_go_through_the_steps_of_a_pipeline():
    rows, reference = labelled(60)[0], labelled(20, seed=1)[0]
    piped = fit_estimator(
        lambda: make_pipeline(PolynomialFeatures(2), LogisticRegression(max_iter=1_000)), rows, seed=0
    )
    assert piped.report()["judged_by"] == "exact curvature"
    assert piped.report()["parameters"] == 3 * 16
    pairs = piped.influence_between(np.arange(60), reference)
    np.testing.assert_allclose(piped.influence_on(reference).mean, pairs.mean(axis=1), rtol=0, atol=1e-12)
