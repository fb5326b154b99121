"""TRAK: each network's output taken as linear in its gradients, on few random axes, and averaged over many networks.

score(i, v) = mean over networks of <g_v, K^-1 f_i> / n * mean over networks of (1 - p_i), positive helps

f_i is the gradient of minus the margin log(p_i / (1 - p_i)), p_i the probability of row i's label, g_v that of what is
asked about the reference row, both on the axes of the network's own projection; K = mean f f' + damping over n rows.
The two means are taken apart: the mean of the products is noisier. With `target="margin"` it is the paper's form; other
targets follow from it by the chain rule. Scores order rows; their size is not in nats, since K leaves p (1 - p) out.
Source: Park et al. 2023 (TRAK), section 3; the projection is that of LoGra, layer by layer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

import torch
from torch import Tensor

from culpa.influence.attribution.attribution import BATCH
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.attribution.on_axes import OnAxes, damped_factor, random_axes, second_moment
from culpa.influence.gradients import Losses, in_order, target_losses
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training
from culpa.influence.network.together import losses_together, train_together

__all__ = ["TRAK", "Kernel", "Trak", "trak"]


@dataclass(frozen=True)
class Kernel:
    """One network on its axes, and the curvature there of a linear model of the margins."""

    network: OnAxes
    factor: Tensor  # (axes, axes) Cholesky factor of K, lower

    def project(self, losses: Losses, batch: Batch) -> Tensor:
        """Gradients of these numbers, (rows, axes)."""
        return self.network.project(losses, batch)

    def solve(self, values: Tensor) -> Tensor:
        """K^-1 times each, (rows, axes) to the same."""
        return torch.cholesky_solve(values.T.to(self.factor.dtype), self.factor).T.to(values.dtype)


@dataclass(frozen=True)
class Trak:
    """Networks trained alike, and the training rows."""

    kernels: Sequence[Kernel]
    rows: Sequence[Batch]
    doubts: Tensor  # (training rows,) mean over networks of 1 - p
    margin: Losses
    target: Losses

    def between(self, reference: Batch) -> Tensor:
        """(training rows, reference rows), positive helps."""
        return self._against([torch.cat(list(self._asked(kernel, reference))) for kernel in self.kernels])

    def on_mean(self, reference: Batch) -> Tensor:
        """(training rows,), positive helps."""
        sums = [torch.stack([part.sum(0) for part in self._asked(kernel, reference)]) for kernel in self.kernels]
        return self._against([one.sum(0, keepdim=True) / len(reference[0]) for one in sums])[:, 0]

    def own(self) -> Tensor:
        """(training rows,): each row on itself, never negative."""
        total = torch.zeros_like(self.doubts)
        for kernel in self.kernels:
            pairs = [(kernel.project(self.target, batch), kernel.project(self.margin, batch)) for batch in self.rows]
            total += torch.cat([(asked * kernel.solve(own)).sum(1) for asked, own in pairs])
        return total * self._scale

    @property
    def _scale(self) -> Tensor:
        """What every row's summed kernels are multiplied by, (training rows,)."""
        return self.doubts / (len(self.kernels) * len(self.doubts))

    def _asked(self, kernel: Kernel, reference: Batch) -> Iterator[Tensor]:
        return (kernel.project(self.target, batch) for batch in in_order(reference, BATCH))

    def _against(self, asked: Sequence[Tensor]) -> Tensor:
        """Scores against each network's (columns, axes): (training rows, columns)."""
        total = self.doubts.new_zeros(len(self.doubts), len(asked[0]))
        for kernel, one in zip(self.kernels, asked, strict=True):
            solved = kernel.solve(one).T
            total += torch.cat([kernel.project(self.margin, batch) @ solved for batch in self.rows])
        return total * self._scale[:, None]


def trak(training: Training, choices: Choices, *, share: float = 1.0) -> Trak:
    """TRAK with `choices.models` networks, each trained on a random `share` of the rows; with one, the training's own.

    The paper averages over networks of all rows, or of random halves where such are at hand. Damping is a tenth of K's
    mean eigenvalue if left out.
    """
    margin, rows = target_losses(training.recipe.objective, "margin"), training.batches()
    networks = _networks(training, choices, share)
    kernels = []
    for place, network in enumerate(networks):
        on_axes = random_axes(network.module, margin, rows[0], choices.layers, seed=choices.seed + place)
        moment = second_moment(on_axes.project(margin, batch) for batch in rows)
        kernels.append(Kernel(on_axes, damped_factor(moment, choices.damping)))
    doubts = losses_together(networks, training.data, margin).sigmoid().mean(0)
    return Trak(kernels, rows, doubts, margin, choices.losses(training))


def _networks(training: Training, choices: Choices, share: float) -> list[Training]:
    """The training itself and others from other seeds; on random shares of the rows all are others."""
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}: .5 trains each network on half the rows")
    if choices.models < 1:
        raise ValueError(f"models must be 1 or more, got {choices.models}: 1 is the training itself, try 10")
    own = [training] if share == 1 else []
    number = choices.models - len(own)
    if not number:
        return own
    seeds = list(islice((seed for seed in count(choices.seed) if seed != training.seed), number))
    weights = _weights(training, number, share, choices.seed)
    recipe = replace(training.recipe, checkpoints=1)
    return own + train_together(recipe, training.data, seeds=seeds, weights=weights)


def _weights(training: Training, models: int, share: float, seed: int) -> Tensor | None:
    """Each network's own random rows, weighed so that its steps are as long as those of all rows: (models, rows)."""
    rows = len(training)
    given = None if training.weights is None else training.weights.expand(models, rows)
    if share == 1:
        return given
    order = torch.rand(models, rows, generator=torch.Generator().manual_seed(seed)).argsort(dim=1)
    drawn = (order < round(share * rows)) / share
    return drawn if given is None else drawn * given


TRAK = Method("trak", "TRAK, projected gradients of several networks", "Park et al. 2023", trak, retrains=True)
