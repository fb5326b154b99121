"""One trained estimator: its columns under the right classes, its certainty held, and errors that say what to do."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from culpa.influence.estimators import fit_estimator
from culpa.influence.estimators.model import Blank, fit_model
from tests.influence.small_rows import labelled, measured


def model_on(rows, mask, make=DecisionTreeClassifier):
    return fit_model(lambda seed: make(), rows, mask, seed=0, blank=Blank(rows.classes, 99, 1.5))


def test_a_class_the_subset_lacks_gets_its_share_of_one_row_of_doubt():
    rows, _ = labelled(60, 4)
    mask = rows.labels != 1
    p = model_on(rows, mask).outcomes(rows.features)
    np.testing.assert_allclose(p[:, 1], 1 / 4 / 100, rtol=1e-12)
    own = p[mask, rows.labels[mask]]
    np.testing.assert_allclose(own, (99 + 1 / 4) / 100, rtol=1e-12)  # a tree knows its rows for certain
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)


def test_columns_are_those_of_the_classes_the_estimator_names():
    rows, _ = labelled(60, 4)
    mask = rows.labels >= 2
    model = model_on(rows, mask, GaussianNB)
    expected = model.estimator.predict_proba(rows.features)
    found = model.outcomes(rows.features)[:, 2:]
    np.testing.assert_allclose(found, (99 * expected + 1 / 4) / 100, rtol=1e-12)


def test_one_class_alone_and_no_row_train_nothing():
    rows, _ = labelled(60)
    alone = rows.labels == 2
    model = model_on(rows, alone)
    assert model.estimator is None
    np.testing.assert_allclose(model.outcomes(rows.features)[:, 2], (99 + 1 / 3) / 100)
    nobody = np.zeros(60, np.bool_)
    np.testing.assert_allclose(model_on(rows, nobody).outcomes(rows.features), 1 / 3)
    numbers = measured(60)
    np.testing.assert_array_equal(model_on(numbers, nobody, LinearRegression).outcomes(numbers.features), 1.5)


def test_numbers_are_the_estimators_own():
    rows = measured(60)
    model = model_on(rows, np.arange(60) < 40, LinearRegression)
    np.testing.assert_array_equal(model.outcomes(rows.features)[:, 0], model.estimator.predict(rows.features))


def test_a_random_state_is_set_in_every_part():
    rows, _ = labelled(60)
    make = lambda: make_pipeline(StandardScaler(), DecisionTreeClassifier())  # noqa: E731
    fitted = fit_model(lambda seed: make(), rows, np.ones(60, np.bool_), seed=7, blank=Blank(3, 60, 0.0))
    assert fitted.estimator[-1].random_state == 7


class NotFinite(GaussianNB):
    def predict_proba(self, features):
        return super().predict_proba(features) * np.nan


def test_what_goes_wrong_in_an_estimator_is_told_with_the_cure():
    rows, _ = labelled(60)
    few = np.arange(60) < 4
    with pytest.raises(ValueError, match=r"NotFinite gives probabilities that are not finite: .*StandardScaler"):
        model_on(rows, ~few, NotFinite).outcomes(rows.features)

    def failing():
        return CalibratedClassifierCV(KNeighborsClassifier(), cv=50)

    with pytest.raises(
        ValueError, match=r"CalibratedClassifierCV could not be trained on 4 of the 60 rows \(ValueError"
    ):
        model_on(rows, few, failing)


REFUSED = {
    "scores without scale": (labelled, LinearSVC, r"LinearSVC has no predict_proba.*CalibratedClassifierCV"),
    "a regressor for classes": (labelled, LinearRegression, "LinearRegression has no predict_proba"),
    "a classifier for numbers": (measured, LogisticRegression, "tells classes apart, and the label is a number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_estimators_that_do_not_fit_the_labels_are_refused_with_the_cure(name):
    make_rows, factory, message = REFUSED[name]
    rows = make_rows()
    with pytest.raises(ValueError, match=message):
        fit_estimator(factory, rows[0] if isinstance(rows, tuple) else rows, seed=0)


def test_calibrated_scores_are_probabilities():
    rows, _ = labelled(90)
    fitted = fit_estimator(lambda: CalibratedClassifierCV(LinearSVC(), cv=2), rows, seed=0, models=10)
    own = fitted.scores().without[np.arange(90), rows.labels]
    assert own.mean() > 0.6
    assert fitted.name == "calibratedclassifiercv"
