"""Any scikit-learn estimator as a proxy, brought by a user as a factory.

Read in this order: `task` (what a factory is told, and how it is called), `factory` (found by name), `model` (one
trained estimator), `panels` (many, each on its own rows), `by_subsets` (what they say of every row), `linear_head`
(where one training is enough), `proxy` (all of it as one proxy). `curvature` is for torch forms of estimators.
"""

from culpa.influence.estimators.factory import load_factory
from culpa.influence.estimators.proxy import FittedEstimator, fit_estimator
from culpa.influence.estimators.task import Task, call_factory

__all__ = ["FittedEstimator", "Task", "call_factory", "fit_estimator", "load_factory"]
