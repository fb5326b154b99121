"""Influence functions as rows of the table: one for each curvature.

Also influence on few parameters (Kounavis et al. 2023): the same with `layers` named. It equals the full computation
when all other layers are frozen, and `few_parameters` tells how far it orders rows as all layers do.
"""

from typing import Any

from culpa.influence.attribution.attribution import Attribution, OverRows
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.attribution.through_curvature import NetworkInfluence
from culpa.influence.curvature import CURVATURES, Curvature
from culpa.influence.network import Training

__all__ = ["BY_CURVATURE", "fit_curvature", "influence_through"]


def fit_curvature(curvature: str, training: Training, choices: Choices) -> Curvature:
    """The named curvature, fitted on the training rows."""
    options: dict[str, Any] = {"seed": choices.seed, "damping": choices.damping, "layers": choices.layers}
    return CURVATURES[curvature](training.module, training.recipe.objective, training.batches(), **options)


def influence_through(
    curvature: str, training: Training, choices: Choices, fitted: Curvature | None = None
) -> NetworkInfluence:
    """Influence through the named curvature, fitted here or before."""
    fitted = fit_curvature(curvature, training, choices) if fitted is None else fitted
    target = choices.losses(training)
    return NetworkInfluence(training.module, training.recipe.objective, fitted, len(training), choices.layers, target)


def _method(name: str, title: str, source: str, curvature: str) -> Method:
    def attribute(training: Training, choices: Choices) -> Attribution:
        return OverRows(influence_through(curvature, training, choices), training.batches())

    return Method(name, title, source, attribute, curvature=curvature)


BY_CURVATURE = (
    _method("dot", "product of gradients at the end of the training", "Charpiat et al. 2019", "identity"),
    _method("diagonal", "influence, diagonal curvature", "LeCun et al. 1989", "diagonal"),
    _method("dense", "influence, whole Gauss-Newton matrix", "Koh & Liang 2017", "dense"),
    _method("exact", "influence, exact Hessian of one linear layer", "Koh & Liang 2017", "exact"),
    _method("kfac", "influence, K-FAC", "Martens & Grosse 2015", "kfac"),
    _method("ekfac", "influence, EK-FAC", "Grosse et al. 2023", "ekfac"),
    _method("conjugate", "influence, conjugate gradients", "Martens 2010", "conjugate"),
    _method("datainf", "influence, mean of the inverses", "Kwon et al. 2024", "datainf"),
    _method("logra", "influence, curvature on few axes", "Choe et al. 2024", "projected"),
)
