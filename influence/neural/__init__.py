"""Proxies that are torch networks: the built-in reader of texts, and any network a user brings as a recipe.

Read in this order: `proxy` (trained whole and by folds; scores and influence), `reference` (what it reports of
reference rows), `rows` (labelled rows as tensors), `pickled` (trainings as bytes).
"""

from culpa.influence.neural.proxy import FittedNetwork, Judge, fit_network

__all__ = ["FittedNetwork", "Judge", "fit_network"]
