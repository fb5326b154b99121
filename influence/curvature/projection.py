"""A layer's gradients on few axes: what is left of (rows, parameters) is (rows, axes), small enough to be written out.

The gradient of a matrix layer, errors x inputs', is projected by its two factors, errors and inputs each on few axes of
their own, random or principal. Any other layer is sketched: every parameter, with a random sign, goes to one of few
buckets. All axes are orthonormal, so that a projected step is as long as the step it stands for; layers that have no
more parameters than axes only change their coordinates. Source: Choe et al. 2024 (LoGra), section 3; the sketch
Charikar et al. 2002.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from culpa.influence.curvature.bases import Basis
from culpa.influence.curvature.curvature import Written
from culpa.influence.curvature.joined import check_same, join, split
from culpa.influence.gradients import Lookups, Outer, Rowwise

__all__ = ["Axes", "LayerProjection", "Projection", "Sketch", "principal_projection", "random_projection"]

WIDTHS = (16, 16)  # axes of a matrix layer's inputs and of its errors
SKETCH = 256  # buckets of any other layer


class LayerProjection(Protocol):
    """P of one layer, (width, parameters), its rows orthonormal."""

    @property
    def width(self) -> int:
        """How many axes."""

    def project(self, layer: Rowwise) -> Tensor:
        """P g of every row, from its factors: (rows, width)."""

    def project_written(self, written: Tensor) -> Tensor:
        """P g of written-out gradients: (rows, parameters) to (rows, width)."""

    def back(self, values: Tensor) -> Tensor:
        """P' times each: (rows, width) to (rows, parameters)."""


@dataclass(frozen=True)
class Axes:
    """Few orthonormal axes for the inputs of a matrix layer, and few for its errors."""

    inputs: Tensor  # columns, (in, fewer)
    errors: Tensor  # columns, (out, fewer)

    @property
    def width(self) -> int:
        """Of errors times those of inputs."""
        return self.inputs.shape[1] * self.errors.shape[1]

    def project(self, layer: Rowwise) -> Tensor:
        """Both factors turned before they are multiplied."""
        assert isinstance(layer, Outer)
        return layer.turned(self.inputs, self.errors).written_out()

    def project_written(self, written: Tensor) -> Tensor:
        """(rows, parameters) to (rows, width)."""
        matrices = written.to(self.inputs.dtype).reshape(len(written), len(self.errors), len(self.inputs))
        return (self.errors.mT @ matrices @ self.inputs).flatten(1)

    def back(self, values: Tensor) -> Tensor:
        """(rows, width) to (rows, parameters)."""
        matrices = values.reshape(len(values), self.errors.shape[1], self.inputs.shape[1])
        return (self.errors @ matrices @ self.inputs.mT).flatten(1)


@dataclass(frozen=True)
class Sketch:
    """Every parameter in one bucket, as many in each as in any other, give or take one."""

    buckets: Tensor  # (parameters,) integers
    signs: Tensor  # (parameters,), random, divided by the root of the bucket's size
    width: int

    def project(self, layer: Rowwise) -> Tensor:
        """Of an Embedding each row's own tokens alone."""
        if not isinstance(layer, Lookups):
            written = layer.written_out()
            return self.project_written(written).to(written.dtype)
        buckets, signs = (one.reshape(layer.vocabulary, -1)[layer.tokens] for one in (self.buckets, self.signs))
        values = (layer.errors * signs.to(layer.errors.dtype)).flatten(1)
        return values.new_zeros(len(values), self.width).scatter_add_(1, buckets.flatten(1), values)

    def project_written(self, written: Tensor) -> Tensor:
        """(rows, parameters) to (rows, width)."""
        values = written.to(self.signs.dtype) * self.signs
        return values.new_zeros(len(values), self.width).index_add_(1, self.buckets, values)

    def back(self, values: Tensor) -> Tensor:
        """(rows, width) to (rows, parameters)."""
        return values[:, self.buckets] * self.signs


@dataclass(frozen=True)
class Projection:
    """The projections of all layers, their axes end to end."""

    layers: Mapping[str, LayerProjection]

    @property
    def widths(self) -> dict[str, int]:
        """Axes of each layer."""
        return {name: layer.width for name, layer in self.layers.items()}

    def project(self, gradients: Mapping[str, Rowwise]) -> Tensor:
        """The projected gradients of a batch of rows, (rows, axes)."""
        check_same(gradients, self.layers)
        return join({name: self.layers[name].project(layer) for name, layer in gradients.items()}, self.widths)

    def project_written(self, gradients: Written) -> Tensor:
        """The same of written-out gradients, (rows, axes), in double precision."""
        check_same(gradients, self.layers)
        parts = {name: self.layers[name].project_written(written) for name, written in gradients.items()}
        return join(parts, self.widths)

    def back(self, values: Tensor) -> dict[str, Tensor]:
        """(rows, axes) to written-out gradients, (rows, parameters) by layer."""
        return {name: self.layers[name].back(part) for name, part in split(values, self.widths).items()}


def random_projection(
    gradients: Mapping[str, Rowwise], *, seed: int, widths: tuple[int, int] = WIDTHS, sketch: int = SKETCH
) -> Projection:
    """Random axes for layers of which one batch of gradients came: `widths` for inputs and errors, `sketch` buckets."""
    chance = torch.Generator().manual_seed(seed)
    return Projection({name: _random(layer, widths, sketch, chance) for name, layer in gradients.items()})


def principal_projection(
    bases: Mapping[str, Basis], *, seed: int, widths: tuple[int, int] = WIDTHS, sketch: int = SKETCH
) -> Projection:
    """The axes along which inputs and errors vary most, LoGra-PCA; layers without an eigenbasis are sketched."""
    chance = torch.Generator().manual_seed(seed)
    return Projection({name: _principal(basis, widths, sketch, chance) for name, basis in bases.items()})


def _random(layer: Rowwise, widths: tuple[int, int], sketch: int, chance: torch.Generator) -> LayerProjection:
    if not isinstance(layer, Outer):
        return _sketch(layer.parameters, sketch, chance, layer.squares().device)
    inputs, errors = (
        _orthonormal(part.shape[2], width, chance).to(part.device)
        for part, width in zip((layer.inputs, layer.errors), widths, strict=True)
    )
    return Axes(inputs, errors)


def _principal(basis: Basis, widths: tuple[int, int], sketch: int, chance: torch.Generator) -> LayerProjection:
    if basis.axes is None:
        return _sketch(len(basis.products), sketch, chance, basis.products.device)
    inputs, errors = (axes[:, -width:].contiguous() for axes, width in zip(basis.axes, widths, strict=True))
    return Axes(inputs, errors)


def _orthonormal(length: int, width: int, chance: torch.Generator) -> Tensor:
    """Random orthonormal columns, (length, width), no more than can be."""
    normal = torch.randn(length, min(width, length), generator=chance, dtype=torch.double)
    return torch.linalg.qr(normal).Q.contiguous()


def _sketch(parameters: int, width: int, chance: torch.Generator, device: torch.device) -> Sketch:
    width = min(width, parameters)
    buckets = torch.randperm(parameters, generator=chance) % width
    signs = 2.0 * torch.randint(2, (parameters,), generator=chance, dtype=torch.double) - 1
    sizes = torch.bincount(buckets, minlength=width).double()
    return Sketch(buckets.to(device), (signs / sizes[buckets].sqrt()).to(device), width)
