"""Proxies that are torch networks: the built-in reader of texts, and any network a user brings as a recipe.

Read in this order: `fit` (a recipe and rows become a proxy), `proxy` (its scores and influence), `judged` (a method
over all rows), `reference` (what is reported of reference rows), `rows` (labelled rows as tensors), `kept` and
`trainings` (what need not be done twice), `pickled` (trainings as bytes).
"""

from culpa.influence.neural.fit import fit_network
from culpa.influence.neural.kept import Kept
from culpa.influence.neural.proxy import FittedNetwork, Judge

__all__ = ["FittedNetwork", "Judge", "Kept", "fit_network"]
