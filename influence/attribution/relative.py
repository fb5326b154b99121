"""Relative influence: what a row does to a reference row for its own size, so that outliers do not answer everything.

l-relative      influence(i, v) / sqrt(influence(i, i)): for what the row does to its own loss
theta-relative  influence(i, v) / |H^-1 g_i / n|: for how far the row moves the parameters; the loss at v per unit of it

The sign stays: positive helps. A row that moves nothing, its loss being nought to rounding, has 0.
Source: Barshan et al. 2020 (RelatIF), section 3; the relative influence of Kounavis et al. 2023 is read as this.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from culpa.influence.attribution.attribution import Attribution, OverRows
from culpa.influence.attribution.by_curvature import influence_through
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.attribution.through_curvature import NetworkInfluence
from culpa.influence.gradients import capture
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training

__all__ = ["RELATIVE", "Relative", "relative_to_self", "relative_to_step", "steps"]

INNER = "ekfac"  # the curvature of the rows of the table


@dataclass(frozen=True)
class Relative:
    """Any scores, divided by the sizes of the training rows."""

    inner: Attribution
    sizes: Tensor  # (training rows,) never negative

    def between(self, reference: Batch) -> Tensor:
        """(training rows, reference rows), positive helps."""
        return self._divided(self.inner.between(reference))

    def on_mean(self, reference: Batch) -> Tensor:
        """(training rows,), positive helps."""
        return self._divided(self.inner.on_mean(reference))

    def own(self) -> Tensor:
        """(training rows,), never negative where the inner ones are not."""
        return self._divided(self.inner.own())

    def _divided(self, scores: Tensor) -> Tensor:
        sizes = self.sizes.reshape(-1, *[1] * (scores.ndim - 1))
        return torch.where(sizes > 0, scores / sizes, 0.0)


def relative_to_self(inner: Attribution) -> Relative:
    """l-relative: by the root of each row's score on itself."""
    return Relative(inner, inner.own().clip(0).sqrt())


def relative_to_step(inner: Attribution, step: Tensor) -> Relative:
    """theta-relative: by how far each row moves the parameters, (training rows,)."""
    return Relative(inner, step)


def steps(influence: NetworkInfluence, training: Training) -> Tensor:
    """|H^-1 g_i| / n of each training row, (training rows,): how far the parameters move when it is left out."""
    losses = influence.objective.losses
    found = [capture(influence.module, losses, batch, influence.layers).layers for batch in training.batches()]
    return torch.cat([influence.curvature.lengths(layers) for layers in found]) / influence.rows


def _by_self(training: Training, choices: Choices) -> Attribution:
    return relative_to_self(OverRows(influence_through(INNER, training, choices), training.batches()))


def _by_step(training: Training, choices: Choices) -> Attribution:
    influence = influence_through(INNER, training, choices)
    return relative_to_step(OverRows(influence, training.batches()), steps(influence, training))


RELATIVE = (
    Method("relative-self", "influence for what a row does to itself, EK-FAC", "Barshan et al. 2020", _by_self),
    Method("relative-step", "influence for how far a row moves the model, EK-FAC", "Barshan et al. 2020", _by_step),
)
