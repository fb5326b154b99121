"""Turn-over dropout: each row trains one half of a network, and the other half has never seen it.

While a network trains, row i always goes through the same random half of the hidden units, m_i, its own by its position
and the seed: only their parameters learn from it. Afterwards both halves are asked,

    score(i, v) = loss of v through the units that i never trained - loss of v through those that it did,

positive helps: about what a network half as wide loses without the row. One training, no derivatives, no optimum; one
score is two passes forward. A score is as noisy as two networks differ, so several networks are trained and averaged.

Source: Kobayashi et al. 2020, eq. 4 and 5. Masks are put on the outputs of all layers but the last that have a matrix
(Linear, convolutions, Embedding), by hooks; a model of one layer has its inputs masked. Exactly half of each layer's
units are kept, at twice their value. What has no unit, the last layer's bias, learns from every row.
Measured (60 rows, 5 wrong labels, 32 hidden units, 1 and 16 networks): self-scores find the wrong labels with an area
under the curve of .84 and .89, and order rows as 100 subset models do with a Spearman correlation of .79 and .93; pairs
agree with leaving rows out by .18 and .42. Models without a hidden layer have too few inputs to halve: area .55.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from culpa.influence.attribution.attribution import Attribution
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.gradients import Losses, in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Moment, Training

__all__ = ["TURN_OVER_DROPOUT", "TurnOverDropout", "train_with_masks"]

TOGETHER = 2**13  # pairs of rows in a pass

Matrix = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Embedding
Units = Mapping[str, Tensor]  # layer -> (rows, width) bool


@dataclass(frozen=True)
class _Place:
    """Where masks are put: the outputs of a layer, or the inputs of the only one."""

    layer: str
    width: int
    dimension: int  # that of the units: 1 in convolutions, else the last
    of_inputs: bool = False


@dataclass
class _Masks:
    """A watcher that sends each row of a batch through its own units."""

    places: Sequence[_Place]
    kept: Units  # of every training row
    now: Units = field(default_factory=dict)  # of the rows that come next

    def step(self, moment: Moment) -> None:
        """Prepare for the rows of a step; before the first of them, put the hooks in."""
        if moment.step == 0:
            self._put_in(moment.module)
        self.prepare(moment.rows)

    def epoch(self, number: int, module: nn.Module) -> None:
        """Nothing to do."""

    def prepare(self, rows: Tensor, times: int = 1, *, turned: bool = False) -> None:
        """The units of these training rows, `times` each; `turned`: those that never saw them."""
        self.now = {name: (units[rows] ^ turned).repeat_interleave(times, 0) for name, units in self.kept.items()}

    def _put_in(self, module: nn.Module) -> None:
        for place in self.places:
            layer = module.get_submodule(place.layer)
            if place.of_inputs:
                layer.register_forward_pre_hook(self._before(place))
            else:
                layer.register_forward_hook(self._after(place))

    def _after(self, place: _Place) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        return lambda _, inputs, output: self._masked(place, output)

    def _before(self, place: _Place) -> Callable[[nn.Module, Any], tuple[Tensor]]:
        return lambda _, inputs: (self._masked(place, inputs[0]),)

    def _masked(self, place: _Place, values: Tensor) -> Tensor:
        """Nought but for the units that are on, and these doubled, so that sums stay as large as they were."""
        units = self.now[place.layer]
        if len(values) != len(units):
            raise ValueError(
                f"layer {place.layer!r} has values of {len(values)} rows where {len(units)} rows came: masks go by "
                "row, so every layer's values must have the rows first"
            )
        shape = [len(units), *[1] * (values.ndim - 1)]
        shape[place.dimension] = place.width
        return values * (2 * units.reshape(shape))


@dataclass(frozen=True)
class TurnOverDropout:
    """Networks trained with masks, each with its own."""

    training: Training  # whose rows and recipe they have
    networks: Sequence[tuple[nn.Module, _Masks]]
    asked: Losses  # of a reference row: its loss, or another number that a better network lowers

    def between(self, reference: Batch) -> Tensor:
        """(training rows, reference rows), positive helps."""
        return torch.cat([self._pairs(block) for block in in_order(reference, TOGETHER)], dim=1)

    def on_mean(self, reference: Batch) -> Tensor:
        """(training rows,), positive helps."""
        sums = [self._pairs(block).sum(1) for block in in_order(reference, TOGETHER)]
        return torch.stack(sums).sum(0) / len(reference[0])

    def own(self) -> Tensor:
        """(training rows,): what a row's loss gains through the units that never saw it."""
        blocks = zip(self._rows(TOGETHER), in_order(self.training.data, TOGETHER), strict=True)
        return torch.cat([self._gains(rows, batch) for rows, batch in blocks])

    def _rows(self, size: int) -> Sequence[Tensor]:
        return torch.split(torch.arange(len(self.training)), size)

    def _pairs(self, reference: Batch) -> Tensor:
        """Scores on few reference rows, (training rows, reference rows): every pair is a row of a pass."""
        count, parts = len(reference[0]), []
        for block in self._rows(max(1, TOGETHER // count)):
            repeated = [part.repeat(len(block), *[1] * (part.ndim - 1)) for part in reference]
            parts.append(self._gains(block, repeated, count).reshape(len(block), count))
        return torch.cat(parts)

    def _gains(self, rows: Tensor, batch: Batch, times: int = 1) -> Tensor:
        """What the losses of a batch gain through the units that never saw the rows, `times` places of it each."""
        total = torch.zeros(())
        for module, masks in self.networks:
            with torch.no_grad():
                masks.prepare(rows, times, turned=True)
                never = self.asked(module, batch)
                masks.prepare(rows, times)
                total = total.to(never) + never - self.asked(module, batch)
        return total / len(self.networks)


def train_with_masks(training: Training, *, models: int, seed: int, asked: Losses | None = None) -> TurnOverDropout:
    """Train `models` networks of the training's recipe on its rows, each row through its own half of the units.

    Errors: ValueError for a module of which nothing can be masked.
    """
    places = _places(training.module)
    networks = [_trained(training, places, seed + number) for number in range(models)]
    return TurnOverDropout(training, networks, asked or training.recipe.objective.losses)


def _trained(training: Training, places: Sequence[_Place], seed: int) -> tuple[nn.Module, _Masks]:
    chance = torch.Generator().manual_seed(seed)
    device = training.data[0].device
    kept = {one.layer: _halves(len(training), one.width, chance).to(device) for one in places}
    masks = _Masks(places, kept)
    return training.again(training.weights, masks, seed).module, masks


def _halves(rows: int, width: int, chance: torch.Generator) -> Tensor:
    """A random half of the units for each row, (rows, width) bool; of an odd number, the smaller half."""
    order = torch.rand(rows, width, generator=chance).argsort(1)
    return order < width // 2


def _places(module: nn.Module) -> list[_Place]:
    """Outputs of all layers with a matrix but the last; where there is but one, its inputs."""
    matrices = {name: layer for name, layer in module.named_modules() if isinstance(layer, Matrix)}
    hidden = list(matrices.items())[:-1]
    places = [_Place(name, _width(layer), _dimension(layer)) for name, layer in hidden]
    if len(matrices) == 1:
        places = [_Place(name, _width_before(layer), _dimension(layer), True) for name, layer in matrices.items()]
    places = [place for place in places if place.width > 1]
    if not places:
        raise ValueError(
            f"{type(module).__name__} has no hidden layer with two units or more (Linear, convolution, Embedding), so "
            "no row can be kept from a half of it: take subset-models"
        )
    return places


def _width(layer: Matrix) -> int:
    """The number of units that a layer gives."""
    if isinstance(layer, nn.Linear):
        return layer.out_features
    return layer.embedding_dim if isinstance(layer, nn.Embedding) else layer.out_channels


def _width_before(layer: Matrix) -> int:
    """The number of inputs that can be masked: none of an Embedding, whose inputs are tokens."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    return 0 if isinstance(layer, nn.Embedding) else layer.in_channels


def _dimension(layer: Matrix) -> int:
    return 1 if isinstance(layer, nn.Conv1d | nn.Conv2d) else -1


def _attribute(training: Training, choices: Choices) -> Attribution:
    return train_with_masks(training, models=choices.models, seed=choices.seed, asked=choices.losses(training))


TURN_OVER_DROPOUT = Method(
    "turn-over-dropout",
    "halves of networks that saw the row or not",
    "Kobayashi et al. 2020",
    _attribute,
    retrains=True,
    restricts=False,
)
