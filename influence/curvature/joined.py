"""Layers end to end: the gradients of all layers as one matrix, and back; and few rows of them at a time."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from culpa.influence.curvature.curvature import Written
from culpa.influence.gradients import Rowwise

__all__ = ["check_known", "check_same", "factors", "in_precision", "join", "split", "written_in_blocks"]

MOST_ENTRIES = 2**23  # of what a block of rows writes out

Form = TypeVar("Form", bound=Rowwise)


def join(gradients: Written, sizes: Mapping[str, int]) -> Tensor:
    """Written-out gradients of all layers, (rows, parameters), the layers in the order of `sizes`.

    Errors: ValueError for other layers than a curvature was fitted on.
    """
    check_same(gradients, sizes)
    return torch.cat([gradients[name] for name in sizes], dim=1)


def split(values: Tensor, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """The inverse of `join`."""
    return dict(zip(sizes, torch.split(values, list(sizes.values()), dim=1), strict=True))


def check_same(given: Collection[str], fitted: Collection[str]) -> None:
    """Refuse other layers than a curvature was fitted on: where layers hang together, it takes all of them."""
    if set(given) != set(fitted):
        raise _other_layers(given, fitted)


def check_known(given: Collection[str], fitted: Collection[str]) -> None:
    """Refuse layers that a curvature was not fitted on: where each stands alone, some of them will do."""
    if not set(given) <= set(fitted):
        raise _other_layers(given, fitted)


def written_in_blocks(gradients: Mapping[str, Rowwise]) -> Iterator[dict[str, Tensor]]:
    """Written-out gradients, layer -> (rows, parameters), of one bounded block of rows after another."""
    rows = min(map(len, gradients.values()))
    step = max(1, MOST_ENTRIES // max(1, sum(layer.parameters for layer in gradients.values())))
    for start in range(0, max(rows, 1), step):
        yield {name: _part(layer, slice(start, start + step)).written_out() for name, layer in gradients.items()}


def in_precision(layer: Form, dtype: torch.dtype) -> Form:
    """The same gradients, their factors in another precision."""
    if all(factor.dtype == dtype for factor in factors(layer).values() if factor.is_floating_point()):
        return layer
    return _with_factors(layer, lambda factor: factor.to(dtype) if factor.is_floating_point() else factor)


def factors(layer: Rowwise) -> dict[str, Tensor]:
    """The tensors that a layer's gradients are kept in."""
    kept = {part.name: getattr(layer, part.name) for part in fields(cast(Any, layer))}
    return {name: value for name, value in kept.items() if isinstance(value, Tensor)}


def _part(layer: Form, rows: slice) -> Form:
    """Some rows of a layer's gradients: every form keeps its rows first."""
    return _with_factors(layer, lambda factor: factor[rows])


def _with_factors(layer: Form, change: Callable[[Tensor], Tensor]) -> Form:
    """A layer's gradients with every tensor in them changed."""
    return cast(Form, replace(cast(Any, layer), **{name: change(value) for name, value in factors(layer).items()}))


def _other_layers(given: Collection[str], fitted: Collection[str]) -> ValueError:
    return ValueError(
        f"gradients of the layers {', '.join(map(repr, given))} came, the curvature was fitted on "
        f"{', '.join(map(repr, fitted))}: capture the gradients with the same layers"
    )
