"""Small estimators of each kind, for classes and for numbers, and what fits them as proxies."""

from functools import partial

from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import BayesianRidge, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from culpa.influence.estimators import fit_estimator

BOOSTING = {"max_iter": 2, "min_samples_leaf": 5}
HASTY = (partial(HistGradientBoostingClassifier, **BOOSTING), partial(HistGradientBoostingRegressor, **BOOSTING))
ESTIMATORS = {
    "logistic": (partial(LogisticRegression, C=0.5), partial(Ridge, alpha=2.0)),
    "forest": (partial(RandomForestClassifier, n_estimators=3), partial(RandomForestRegressor, n_estimators=3)),
    "bayes": (GaussianNB, BayesianRidge),
    "boosting": HASTY,
    "neighbors": (partial(KNeighborsClassifier, n_neighbors=5), partial(KNeighborsRegressor, n_neighbors=5)),
}


def fit_with(name, models):
    """A function from rows and keep to the fitted proxy of this estimator; the logistic one is judged exactly."""

    def fit(rows, keep):
        classifier, regressor = ESTIMATORS[name]
        factory = classifier if rows.classes else regressor
        return fit_estimator(factory, rows, keep, seed=0, models=None if name == "logistic" else models)

    return fit
