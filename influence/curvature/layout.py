"""From written-out gradients to a layer's own parameters and back.

A matrix layer's gradient is laid out as (out, in), the bias as one more input; every other layer's as its parameters,
one after the other.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["to_parameters", "to_written"]

MATRICES = nn.Linear | nn.Conv1d | nn.Conv2d


def to_parameters(layer: nn.Module, written: Tensor) -> list[Tensor]:
    """(directions, parameters) to one tensor (directions, ...) for each parameter of the layer, shaped as it is.

    >>> [part.shape[1:] for part in to_parameters(nn.Linear(2, 3), torch.zeros(5, 9))]
    [torch.Size([3, 2]), torch.Size([3])]
    """
    own = list(layer.parameters(recurse=False))
    if len(own) == 1:
        parts: Sequence[Tensor] = [written]
    elif isinstance(layer, MATRICES):
        table = written.reshape(len(written), len(own[1]), -1)  # (directions, out, in and bias)
        parts = table[:, :, :-1], table[:, :, -1]
    else:
        parts = torch.split(written, [one.numel() for one in own], dim=1)
    return [part.reshape(len(written), *one.shape) for part, one in zip(parts, own, strict=True)]


def to_written(layer: nn.Module, parts: Sequence[Tensor]) -> Tensor:
    """The inverse of `to_parameters`: (directions, parameters)."""
    count = len(parts[0])
    if len(parts) == 2 and isinstance(layer, MATRICES):
        weight, bias = parts
        table = torch.cat([weight.reshape(count, len(bias[0]), -1), bias[:, :, None]], dim=2)
        return table.reshape(count, -1)
    return torch.cat([part.reshape(count, -1) for part in parts], dim=1)
