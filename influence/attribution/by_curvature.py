"""Influence functions as rows of the table: one for each curvature.

Also influence on few parameters (Kounavis et al. 2023): the same with `layers` named. It equals the full computation
when all other layers are frozen, and `rank_agreement` tells how far it orders rows as all layers do.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from culpa.influence.attribution.attribution import Attribution, OverRows
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.attribution.through_curvature import NetworkInfluence
from culpa.influence.curvature import Curvature, Identity, fit_dense, fit_ekfac, fit_kfac
from culpa.influence.network import Training

__all__ = ["BY_CURVATURE", "rank_agreement"]

Fit = Callable[..., Curvature]


def _method(name: str, title: str, source: str, fit: Fit) -> Method:
    """Influence through the curvature that `fit` gives."""

    def attribute(training: Training, choices: Choices) -> Attribution:
        options: dict[str, Any] = {"seed": choices.seed, "damping": choices.damping, "layers": choices.layers}
        objective, rows = training.recipe.objective, training.batches()
        curvature = fit(training.module, objective, rows, **options)
        target = choices.losses(training)
        return OverRows(
            NetworkInfluence(training.module, objective, curvature, len(training), choices.layers, target), rows
        )

    return Method(name, title, source, attribute)


BY_CURVATURE = (
    _method(
        "dot", "product of gradients at the end of the training", "Charpiat et al. 2019", lambda *_, **__: Identity()
    ),
    _method("dense", "influence, whole Gauss-Newton matrix", "Koh & Liang 2017", fit_dense),
    _method("kfac", "influence, K-FAC", "Martens & Grosse 2015", fit_kfac),
    _method("ekfac", "influence, EK-FAC", "Grosse et al. 2023", fit_ekfac),
)


def rank_agreement(some: Tensor, every: Tensor) -> float:
    """Spearman correlation of two scores of the same rows, (rows,) each: 1 = they order them alike."""
    from scipy.stats import spearmanr

    return float(spearmanr(some.cpu(), every.cpu()).statistic)
