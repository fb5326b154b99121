"""How scikit-learn scales its losses and penalties, converted to this package's: nats or half squares per row, a mean.

LogisticRegression minimises C * sum of losses + weights^2 / 2, Ridge the sum of squared errors without a half + alpha *
weights^2, SGDClassifier the mean loss + alpha / 2 * weights^2. MLPs divide alpha by the rows of a step: all of them for
lbfgs, a batch's for the others. Intercepts are free of penalty, where a curvature's damping meets them as well: under
a strong penalty that spoils influence (Spearman with refits .81 to .93 where it should be .999, 150 rows at C = 0.1).
`estimators.curvature` leaves them free.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.objective import Classification

__all__ = ["TWO_CLASSES", "OneVersusRest", "damping_of", "last_step"]


def _against_nought(module: nn.Module, batch: Batch) -> Tensor:
    """The one score of a model of two classes as two: that of the first is nought. (rows, 2)."""
    score: Tensor = module(batch[0])
    return torch.cat([torch.zeros_like(score), score], dim=1)


TWO_CLASSES = Classification(_against_nought)


@dataclass(frozen=True)
class OneVersusRest:
    """One logistic loss per class, the class against all others, summed over the classes; nats."""

    def losses(self, module: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = module(batch[0])
        sides = one_hot(batch[-1], scores.shape[1]).to(scores)
        return binary_cross_entropy_with_logits(scores, sides, reduction="none").sum(1)

    def fisher(self, module: nn.Module, batch: Batch, chance: torch.Generator) -> Tensor:
        scores: Tensor = module(batch[0])
        p = scores.sigmoid().detach()
        return (p * (1 - p)).sqrt() * scores

    def probabilities(self, module: nn.Module, batch: Batch) -> Tensor:
        """scikit-learn's own: each class's, divided by their sum, (rows, classes)."""
        p: Tensor = module(batch[0]).sigmoid()
        return p / p.sum(1, keepdim=True)


def damping_of(estimator: Any, rows: int) -> float:
    """An estimator's own penalty as l2 on the mean loss, l2 / 2 * weights^2; `rows` are those of its training.

    0 where it has none: then leave the damping to the curvature's rule. Errors: ValueError for other penalties than l2.

    >>> damping_of(Ridge(alpha=2.0), 100)
    0.02
    """
    last = last_step(estimator)
    of = _DAMPINGS.get(type(last))
    if of is None:
        raise ValueError(f"the penalty of {type(last).__name__} is not known: give the damping yourself")
    return float(of(last, rows))


def last_step(estimator: Any) -> Any:
    """The estimator, or the one that ends a Pipeline."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def _logistic_damping(estimator: Any, rows: int) -> float:
    _check_l2(estimator, "l1" if estimator.penalty == "deprecated" and estimator.l1_ratio else estimator.penalty)
    return 0.0 if estimator.penalty is None else 1 / (estimator.C * rows)


def _descended_damping(estimator: Any, rows: int) -> float:
    _check_l2(estimator, estimator.penalty)
    return 0.0 if estimator.penalty is None else estimator.alpha


def _ridge_damping(estimator: Any, rows: int) -> float:
    return np.asarray(estimator.alpha).item() / rows


def _network_damping(estimator: Any, rows: int) -> float:
    batch = 200 if estimator.batch_size == "auto" else estimator.batch_size
    return estimator.alpha / (rows if estimator.solver == "lbfgs" else min(batch, rows))


def _check_l2(estimator: Any, penalty: str | None) -> None:
    if penalty not in ("l2", "deprecated", None):
        raise ValueError(
            f"{type(estimator).__name__} has the penalty {penalty!r}, which no damping stands for: fit it with 'l2', "
            "or give the damping yourself"
        )


_DAMPINGS: dict[type, Callable[[Any, int], float]] = {
    LogisticRegression: _logistic_damping,
    SGDClassifier: _descended_damping,
    Ridge: _ridge_damping,
    LinearRegression: lambda estimator, rows: 0.0,
    MLPClassifier: _network_damping,
    MLPRegressor: _network_damping,
}
