"""Which layer gives gradients in which form, and which layers cannot be taken apart by rows."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from culpa.influence.gradients.lookups import Lookups
from culpa.influence.gradients.outer import Outer
from culpa.influence.gradients.rowwise import Rowwise
from culpa.influence.gradients.written import Written

__all__ = ["SUPPORTED", "gradients_of", "why_not"]


def taken_in(layer: nn.Module, inputs: Tensor) -> Tensor:
    """What a layer's gradients take of its input, whatever the errors: with a bias, as patches, normalised."""
    return _form(layer)[0](layer, _full(inputs))


def gradients_of(layer: nn.Module, inputs: Tensor, errors: Tensor) -> Rowwise:
    """A layer's gradients from what was `taken_in` and the derivative of the losses in its output, rows first."""
    return _form(layer)[1](layer, inputs, _full(errors))


def why_not(layer: nn.Module) -> str | None:
    """What keeps this layer's gradients from being taken apart by rows; None if nothing does."""
    if not isinstance(layer, SUPPORTED):
        return f"{type(layer).__name__} is not among {', '.join(kind.__name__ for kind in SUPPORTED)}"
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        if layer.groups != 1:
            return f"its {layer.groups} groups are not supported"
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            return f"padding {layer.padding!r} of mode {layer.padding_mode!r} is not supported, numbers and zeros are"
    if isinstance(layer, nn.Embedding) and (layer.scale_grad_by_freq or layer.max_norm is not None):
        return "scale_grad_by_freq and max_norm make a row's gradient depend on the batch"
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and not layer.track_running_stats:
        return "without running statistics the rows of a batch depend on each other"
    return None


def _full(values: Tensor) -> Tensor:
    """In float32 at least; integers stay."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _with_bias(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Inputs (rows, positions, in), and a one where the layer has a bias."""
    return inputs if layer.bias is None else torch.cat([inputs, torch.ones_like(inputs[:, :, :1])], dim=2)


def _linear_inputs(layer: nn.Module, inputs: Tensor) -> Tensor:
    return _with_bias(layer, inputs.reshape(len(inputs), -1, inputs.shape[-1]))


def _linear(layer: nn.Module, inputs: Tensor, errors: Tensor) -> Rowwise:
    return Outer(inputs, errors.reshape(len(errors), -1, errors.shape[-1]))


def _patches(layer: nn.Module, inputs: Tensor) -> Tensor:
    """A convolution is a linear layer over patches, one position a patch."""
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    flat = isinstance(layer, nn.Conv1d)
    images = inputs[:, :, None] if flat else inputs

    def both(values: tuple[int, ...], before: int) -> tuple[int, ...]:
        return (before, *values) if flat else values

    patches = nn.functional.unfold(
        images,
        both(layer.kernel_size, 1),
        dilation=both(layer.dilation, 1),
        padding=both(tuple(map(int, layer.padding)), 0),
        stride=both(layer.stride, 1),
    )
    return _with_bias(layer, patches.mT)


def _convolution(layer: nn.Module, inputs: Tensor, errors: Tensor) -> Rowwise:
    return Outer(inputs, errors.flatten(2).mT)


def _tokens(layer: nn.Module, inputs: Tensor) -> Tensor:
    return inputs.reshape(len(inputs), -1)


def _embedding(layer: nn.Module, inputs: Tensor, errors: Tensor) -> Rowwise:
    assert isinstance(layer, nn.Embedding)
    errors = errors.reshape(len(inputs), -1, errors.shape[-1])
    if layer.padding_idx is not None:
        errors = errors * (inputs != layer.padding_idx)[:, :, None]
    return Lookups(inputs, errors, layer.num_embeddings)


def _layer_normal(layer: nn.Module, inputs: Tensor) -> Tensor:
    assert isinstance(layer, nn.LayerNorm)
    return nn.functional.layer_norm(inputs, layer.normalized_shape, eps=layer.eps)


def _batch_normal(layer: nn.Module, inputs: Tensor) -> Tensor:
    """In evaluation mode a fixed scale and shift per channel."""
    assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    mean, variance = layer.running_mean.to(inputs), layer.running_var.to(inputs)
    return nn.functional.batch_norm(inputs, mean, variance, eps=layer.eps).movedim(1, -1)


def _channels(layer: nn.Module, normal: Tensor, errors: Tensor) -> Rowwise:
    return _affine(layer, normal, errors.movedim(1, -1))


def _affine(layer: nn.Module, normal: Tensor, errors: Tensor) -> Rowwise:
    """Gradients of scale and shift: sums over all positions, (rows, ..., parameters) as the weight is shaped."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    shape = len(errors), -1, weight.numel()
    parts = [(normal * errors).reshape(shape).sum(1)]
    if layer.bias is not None:
        parts.append(errors.reshape(shape).sum(1))
    return Written(torch.cat(parts, dim=1))


def _form(layer: nn.Module) -> "_Form":
    return next(form for kind, form in _FORMS.items() if isinstance(layer, kind))


_Form = tuple[Callable[[nn.Module, Tensor], Tensor], Callable[[nn.Module, Tensor, Tensor], Rowwise]]
_FORMS: dict[type[nn.Module], _Form] = {
    nn.Linear: (_linear_inputs, _linear),
    nn.Conv1d: (_patches, _convolution),
    nn.Conv2d: (_patches, _convolution),
    nn.Embedding: (_tokens, _embedding),
    nn.LayerNorm: (_layer_normal, _affine),
    nn.BatchNorm1d: (_batch_normal, _channels),
    nn.BatchNorm2d: (_batch_normal, _channels),
}
SUPPORTED = tuple(_FORMS)
