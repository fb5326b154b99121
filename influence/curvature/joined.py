"""Layers end to end: the gradients of all layers as one matrix, and back; and few rows of them at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from culpa.influence.curvature.curvature import Written
from culpa.influence.gradients import Rowwise

__all__ = ["in_precision", "join", "split", "written_in_blocks"]

MOST_ENTRIES = 2**23  # of what a block of rows writes out

Form = TypeVar("Form", bound=Rowwise)


def join(gradients: Written, sizes: Mapping[str, int]) -> Tensor:
    """Written-out gradients of all layers, (rows, parameters), the layers in the order of `sizes`.

    Errors: ValueError for other layers than a curvature was fitted on.
    """
    if gradients.keys() != sizes.keys():
        raise ValueError(
            f"gradients of the layers {', '.join(map(repr, gradients))} came, the curvature was fitted on "
            f"{', '.join(map(repr, sizes))}: capture the gradients with the same layers"
        )
    return torch.cat([gradients[name] for name in sizes], dim=1)


def split(values: Tensor, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """The inverse of `join`."""
    return dict(zip(sizes, torch.split(values, list(sizes.values()), dim=1), strict=True))


def written_in_blocks(gradients: Mapping[str, Rowwise]) -> Iterator[dict[str, Tensor]]:
    """Written-out gradients, layer -> (rows, parameters), of one bounded block of rows after another."""
    rows = min(map(len, gradients.values()))
    step = max(1, MOST_ENTRIES // max(1, sum(layer.parameters for layer in gradients.values())))
    for start in range(0, max(rows, 1), step):
        yield {name: _part(layer, slice(start, start + step)).written_out() for name, layer in gradients.items()}


def in_precision(layer: Form, dtype: torch.dtype) -> Form:
    """The same gradients, their factors in another precision."""
    return _with_factors(layer, lambda factor: factor.to(dtype) if factor.is_floating_point() else factor)


def _part(layer: Form, rows: slice) -> Form:
    """Some rows of a layer's gradients: every form keeps its rows first."""
    return _with_factors(layer, lambda factor: factor[rows])


def _with_factors(layer: Form, change: Callable[[Tensor], Tensor]) -> Form:
    """A layer's gradients with every tensor in them changed."""
    parts = {name: change(value) for name, value in vars(layer).items() if isinstance(value, Tensor)}
    return cast(Form, replace(cast(Any, layer), **parts))
