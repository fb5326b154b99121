"""One forward and one backward pass of an unmodified torch module, and what every row did to every layer.

Hooks keep each layer's input and the place of its output in the graph of derivatives; the derivatives of the summed
losses in those places are the rows' errors, because no row's loss depends on another row. The module is in evaluation
mode meanwhile; its parameters, their gradients and its mode are afterwards what they were.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.blocks import gradients_of, taken_in, why_not
from culpa.influence.gradients.modes import evaluating
from culpa.influence.gradients.rowwise import Rowwise

__all__ = ["Captured", "Losses", "capture", "captures"]

Losses = Callable[[nn.Module, Batch], Tensor]  # a module and a batch -> the loss of each row, (rows,)


@dataclass(frozen=True)
class Captured:
    """The gradients of a batch of rows, layer by layer."""

    layers: Mapping[str, Rowwise]  # by the module's own names, in the order of its parameters
    losses: Tensor  # (rows,)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.losses)


def capture(module: nn.Module, losses_of: Losses, batch: Batch, layers: Sequence[str] | None = None) -> Captured:
    """Gradients of each row's loss in every layer, or in the named ones.

    Errors: ValueError for a layer that cannot be taken apart by rows, for one that is used twice or not at all, for
    parameters that two layers share, and for losses that are not one number per row.

    >>> model = nn.Linear(2, 3)
    >>> losses = lambda model, batch: nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")
    >>> found = capture(model, losses, (torch.randn(5, 2), torch.tensor([0, 1, 2, 0, 1])))
    >>> found.layers[""].written_out().shape
    torch.Size([5, 9])
    """
    (found,) = captures(module, lambda module, batch: losses_of(module, batch)[..., None], batch, layers)
    return found


def captures(
    module: nn.Module, numbers_of: Losses, batch: Batch, layers: Sequence[str] | None = None
) -> Iterator[Captured]:
    """The same for several numbers of each row, (rows, passes): one forward pass, and a backward pass for each.

    All passes share the memory of what the layers read.
    """
    chosen = _chosen(module, layers)
    seen: dict[str, _Seen] = {}
    with evaluating(module), _watching(chosen, seen), torch.enable_grad():
        numbers = numbers_of(module, batch)
        _check_losses(numbers, len(batch[0]))
        sums = numbers.sum(0).unbind()
    _check_all_seen(chosen, seen)
    read = {name: _read(name, chosen[name], one) for name, one in seen.items()}
    outputs = [one.output for one in seen.values()]
    for losses, total in zip(numbers.detach().T, sums, strict=True):
        errors = torch.autograd.grad(total, outputs, allow_unused=True, retain_graph=total is not sums[-1])
        found = dict(zip(seen, errors, strict=True))
        gradients = {name: _gradients(name, layer, read[name], found[name]) for name, layer in chosen.items()}
        yield Captured(gradients, losses)


def _read(name: str, layer: nn.Module, one: "_Seen") -> Tensor:
    """A layer's input, as its gradients take it."""
    if one.inputs._version != one.version:
        raise ValueError(
            f"the input of layer {name!r} was changed in place after the layer had read it: write x = x + y instead of "
            "x += y there"
        )
    with torch.no_grad():
        return taken_in(layer, one.inputs)


def _gradients(name: str, layer: nn.Module, inputs: Tensor, errors: Tensor | None) -> Rowwise:
    if errors is None:
        raise ValueError(f"the losses do not depend on layer {name!r}: leave it out of layers")
    with torch.no_grad():
        return gradients_of(layer, inputs, errors)


def _chosen(module: nn.Module, names: Sequence[str] | None) -> dict[str, nn.Module]:
    """The layers that have parameters of their own, or the named ones of them; refuses what cannot be done."""
    own = {name: layer for name, layer in module.named_modules() if any(True for _ in layer.parameters(recurse=False))}
    unknown = [name for name in names or () if name not in own]
    if unknown:
        raise ValueError(f"no layer with parameters is called {', '.join(unknown)}: there are {', '.join(own)}")
    chosen = {name: layer for name, layer in own.items() if names is None or name in names}
    if not chosen:
        raise ValueError(f"{type(module).__name__} has no layer with parameters: nothing a row could have changed")
    for name, layer in chosen.items():
        if (reason := why_not(layer)) is not None:
            others = ", ".join(repr(one) for one, kind in own.items() if why_not(kind) is None)
            raise ValueError(f"layer {name!r} cannot be taken apart by rows: {reason}; pass layers=[{others}]")
    _check_not_shared(chosen, own)
    return chosen


def _check_not_shared(chosen: Mapping[str, nn.Module], own: Mapping[str, nn.Module]) -> None:
    owner: dict[int, str] = {}
    for name, layer in own.items():
        for parameter in layer.parameters(recurse=False):
            other = owner.setdefault(id(parameter), name)
            if other != name and (name in chosen or other in chosen):
                raise ValueError(
                    f"layers {other!r} and {name!r} share a parameter, whose gradient is a sum over both: untie them, "
                    "or leave both out of layers"
                )


@dataclass(frozen=True)
class _Seen:
    """One layer in the forward pass."""

    inputs: Tensor  # what it read,
    version: int  # and how often that had been changed in place by then
    output: GradientEdge  # where its output stands in the graph of derivatives


@contextmanager
def _watching(chosen: Mapping[str, nn.Module], seen: dict[str, _Seen]) -> Iterator[None]:
    """Note each layer's input and the place of its output."""

    def watcher(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        def watch(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
            if name in seen:
                raise ValueError(
                    f"layer {name!r} is used twice in one pass, so its gradient is a sum over both uses: give each use "
                    "a layer of its own, or leave it out of layers"
                )
            if not output.requires_grad:  # frozen, and nothing before it learns
                output = output.detach().requires_grad_().clone()
            seen[name] = _Seen(inputs[0].detach(), inputs[0]._version, get_gradient_edge(output))
            return output

        return watch

    handles = [layer.register_forward_hook(watcher(name)) for name, layer in chosen.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _check_losses(losses: Tensor, rows: int) -> None:
    if losses.ndim != 2 or len(losses) != rows:
        raise ValueError(
            f"the losses have the shape {tuple(losses.shape[:-1])}, needed one number for each of {rows} rows: compute "
            'them with reduction="none" and sum over everything but the rows'
        )


def _check_all_seen(chosen: Mapping[str, nn.Module], seen: Mapping[str, _Seen]) -> None:
    missing = [name for name in chosen if name not in seen]
    if missing:
        raise ValueError(f"the pass did not use layer {', '.join(map(repr, missing))}: leave it out of layers")
