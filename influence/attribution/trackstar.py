"""TrackStar: which training rows hold the evidence for a reference row, by the angle between corrected gradients.

score(i, v) = <u_i, u_v> / (|u_i| |u_v|),    u = R^(-1/2) P (g / sqrt(V)),    positive helps, at most 1

V is the second moment of each parameter's gradient over the training rows, as two factors (`Correction`); P projects on
few random axes; R = mixing * the second moment there of the reference rows + (1 - mixing) * that of the training rows
+ damping: what all questions have in common says little about any one of them. Unit length keeps long gradients from
answering every question. It also makes the score of a row on itself 1: this method finds evidence, and no wrong labels
by self-influence. Scores depend on which reference rows are asked together.
Source: Chang et al. 2024, section 3; the factors of V Shazeer & Stern 2018.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from culpa.influence.attribution.attribution import BATCH
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.attribution.on_axes import OnAxes, damped_factor, random_axes, second_moment
from culpa.influence.curvature.projection import SKETCH, WIDTHS
from culpa.influence.gradients import Lookups, Losses, Outer, Rowwise, Written, capture, in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training

__all__ = ["TRACKSTAR", "Corrected", "Correction", "TrackStar", "corrections", "trackstar"]

MIXING = 0.9  # Chang et al. 2024, where the questions are of one kind
LEAST_SHARE = 1e-3  # of a layer's mean square, added to every parameter's: some words have no gradient at all


@dataclass(frozen=True)
class Correction:
    """1 / sqrt(V) of one layer's parameters (a, b), V[j, k] = sum of row j * sum of column k / sum of all."""

    rows: Tensor  # (a,): outputs, or words
    columns: Tensor  # (b,): inputs, or dimensions of a word

    def __call__(self, layer: Rowwise) -> Rowwise:
        """The gradients times that, in their factors."""
        if isinstance(layer, Outer):
            return Outer(layer.inputs * self.columns, layer.errors * self.rows)
        if isinstance(layer, Lookups):
            return replace(layer, errors=layer.errors * self.rows[layer.tokens][:, :, None] * self.columns)
        assert isinstance(layer, Written)
        return Written(layer.vectors * self.rows * self.columns)


@dataclass(frozen=True)
class Corrected:
    """A network on its axes, and the correction of each of its layers."""

    network: OnAxes
    corrections: Mapping[str, Correction]

    def values(self, losses: Losses, batches: Iterable[Batch]) -> Iterator[Tensor]:
        """P (g / sqrt(V)) of the rows of each batch, (rows, axes)."""
        network = self.network
        for batch in batches:
            found = capture(network.module, losses, batch, network.layers).layers
            yield network.projection.project({name: self.corrections[name](layer) for name, layer in found.items()})


@dataclass(frozen=True)
class TrackStar:
    """Corrected gradients, the training rows, and what R is made of."""

    gradients: Corrected
    rows: Sequence[Batch]
    moment: Tensor  # (axes, axes) of the training rows
    losses: Losses
    target: Losses
    mixing: float
    damping: float | None

    def between(self, reference: Batch) -> Tensor:
        """(training rows, reference rows), positive helps, from -1 to 1."""
        factor, there = self._asked(reference)
        return torch.cat([units @ there.T for units in self._training(factor)])

    def on_mean(self, reference: Batch) -> Tensor:
        """Mean over the reference rows, (training rows,), positive helps."""
        factor, there = self._asked(reference)
        mean = there.mean(0)
        return torch.cat([units @ mean for units in self._training(factor)])

    def own(self) -> Tensor:
        """1 for every row, (training rows,): unit gradients say nothing of a row alone."""
        first = self.rows[0][0]
        return torch.ones(sum(len(batch[0]) for batch in self.rows), device=first.device)

    def _asked(self, reference: Batch) -> tuple[Tensor, Tensor]:
        """R's Cholesky factor L, which stands for its root, and the reference rows' units, (rows, axes)."""
        values = torch.cat(list(self.gradients.values(self.target, in_order(reference, BATCH))))
        mixed = self.mixing * second_moment([values]) + (1 - self.mixing) * self.moment
        factor = damped_factor(mixed, self.damping)
        return factor, _units(values, factor)

    def _training(self, factor: Tensor) -> Iterator[Tensor]:
        return (_units(values, factor) for values in self.gradients.values(self.losses, self.rows))


def trackstar(
    training: Training,
    choices: Choices,
    *,
    mixing: float = MIXING,
    widths: tuple[int, int] = WIDTHS,
    sketch: int = SKETCH,
) -> TrackStar:
    """TrackStar of one training; damping is a tenth of R's mean eigenvalue if left out.

    `widths` and `sketch` are how many axes each layer gets, as of `curvature.fit_projected`.
    """
    if not 0 <= mixing <= 1:
        raise ValueError(
            f"mixing must be from 0 to 1, got {mixing}: it is the reference rows' share in R, try {MIXING}"
        )
    module, losses, rows = training.module, training.recipe.objective.losses, training.batches()
    network = random_axes(module, losses, rows[0], choices.layers, seed=choices.seed, widths=widths, sketch=sketch)
    found = corrections(capture(module, losses, batch, choices.layers).layers for batch in rows)
    gradients = Corrected(network, found)
    moment = second_moment(gradients.values(losses, rows))
    return TrackStar(gradients, rows, moment, losses, choices.losses(training), mixing, choices.damping)


def corrections(batches: Iterable[Mapping[str, Rowwise]]) -> dict[str, Correction]:
    """Each layer's correction, from the gradients of all training rows."""
    sums: dict[str, Tensor] = {}
    rows = 0
    for batch in batches:
        rows += len(next(iter(batch.values())))
        for name, layer in batch.items():
            squares = layer.summed_squares().reshape(_shape(layer))
            sums[name] = sums[name] + squares if name in sums else squares
    return {name: _correction(total / rows) for name, total in sums.items()}


def _shape(layer: Rowwise) -> tuple[int, int]:
    """A layer's parameters as a matrix; one column where they are none."""
    if isinstance(layer, Outer):
        return layer.errors.shape[2], layer.inputs.shape[2]
    return (layer.vocabulary, layer.errors.shape[2]) if isinstance(layer, Lookups) else (layer.parameters, 1)


def _correction(squares: Tensor) -> Correction:
    """From the mean squared gradients, (a, b)."""
    raised = (squares + LEAST_SHARE * squares.mean()).clip(min=torch.finfo(torch.float).tiny)
    half = raised.sum().sqrt()
    return Correction(*((half / raised.sum(along)).sqrt().float() for along in (1, 0)))


def _units(values: Tensor, factor: Tensor) -> Tensor:
    """L^-1 v at length 1, (rows, axes): products are those of R^(-1/2) v."""
    halves = torch.linalg.solve_triangular(factor, values.T.to(factor.dtype), upper=False)
    return normalize(halves.T.to(values.dtype), dim=1)


TRACKSTAR = Method("trackstar", "TrackStar, retrieval of evidence", "Chang et al. 2024", trackstar)
