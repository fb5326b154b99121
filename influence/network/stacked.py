"""Networks of one make held as one: their parameters stacked, so that all of them run in the same few tensor products.

Model k of a parameter (models, ...) is the slice k; nothing mixes the models, so that one backward pass of the sum of
all losses gives every model its own gradient, and an elementwise optimizer its own step. Not every network can be run
this way: dropout draws, and torch lacks the rule for some layers. `room_for` tries it out.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from culpa.influence.gradients import Losses
from culpa.influence.gradients.batches import Batch

__all__ = ["Stacked", "room_for", "stack"]

State = Mapping[str, Tensor]  # parameters and buffers by name, stacked: (models, ...)
INNER = "inner."


class _Rows(nn.Module):
    """The losses of rows as a module, so that its parameters can be exchanged."""

    def __init__(self, module: nn.Module, losses: Losses) -> None:
        super().__init__()
        self.inner, self.losses = module, losses

    def forward(self, *batch: Tensor) -> Tensor:
        return self.losses(self.inner, batch)


@dataclass(frozen=True)
class Stacked:
    """Several networks as one."""

    module: nn.Module  # their make and mode; its own numbers are not used
    state: State  # those that learn are leaves that require a gradient

    def __len__(self) -> int:
        """Count the models."""
        return len(next(iter(self.state.values())))

    @property
    def learning(self) -> list[nn.Parameter]:
        """The stacked parameters that learn, in the module's order."""
        return [value for value in self.state.values() if isinstance(value, nn.Parameter) and value.requires_grad]

    def losses(self, losses: Losses, batch: Batch, *, shared: bool) -> Tensor:
        """Losses of every model's rows, (models, rows).

        The tensors of `batch` are the same rows for all models if `shared`, else their first dimension is the models.
        """
        rows = _Rows(self.module, losses)

        def one(state: State, batch: Batch) -> Tensor:
            found: Tensor = functional_call(rows, {INNER + name: value for name, value in state.items()}, tuple(batch))
            return found

        found: Tensor = vmap(one, in_dims=(0, None if shared else 0))(dict(self.state), list(batch))
        return found

    def states(self) -> list[dict[str, Tensor]]:
        """The state of each network as it is now, by the names of its `state_dict`."""
        now = {name: value.detach().clone() for name, value in self.state.items()}
        names = {id(value): name for name, value in [*self.module.named_parameters(), *self.module.named_buffers()]}
        known = {key: names[id(value)] for key, value in self.module.state_dict(keep_vars=True).items()}
        return [{key: now[name][place] for key, name in known.items()} for place in range(len(self))]


def stack(modules: Sequence[nn.Module]) -> Stacked:
    """Networks of one make and mode as one; they themselves stay as they are."""
    stacked, buffers = stack_module_state(list(modules))
    parameters = {
        name: nn.Parameter(stacked[name].detach(), one.requires_grad) for name, one in modules[0].named_parameters()
    }
    for name, layer in modules[0].named_modules():
        if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
            _keep_padding(parameters.get(f"{name}.weight" if name else "weight"), layer.padding_idx)
    return Stacked(deepcopy(modules[0]), {**parameters, **buffers})


def _keep_padding(weight: Tensor | None, padding: int) -> None:
    """The word that fills up learns nothing, which torch forgets when it runs several Embeddings at once."""

    def clear(gradient: Tensor) -> Tensor:
        return gradient.index_fill(1, torch.tensor(padding, device=gradient.device), 0.0)

    if weight is not None and weight.requires_grad:
        weight.register_hook(clear)  # type: ignore[no-untyped-call]


def room_for(modules: Sequence[nn.Module], losses: Losses, batch: Batch) -> int | None:
    """How many numbers a model keeps of a batch for its backward pass; None where models cannot be run as one.

    Tried out with these: as one they must have the losses and the gradients that they have one by one.
    """
    stacked, kept = stack(modules), 0

    def count(saved: Tensor) -> Tensor:
        nonlocal kept
        kept += saved.numel()
        return saved

    try:
        with torch.autograd.graph.saved_tensors_hooks(count, lambda saved: saved):
            found = stacked.losses(losses, batch, shared=True)
        together = _gradients(found, stacked.learning)
    except (RuntimeError, ValueError):  # torch lacks a rule, or the network itself fails and will say so alone
        return None
    alone = [losses(module, batch) for module in modules]
    parts = [_gradients(one, [own for own in module.parameters() if own.requires_grad])
             for one, module in zip(alone, modules, strict=True)]  # fmt: skip
    pairs = [(found, torch.stack(alone)), *zip(together, map(torch.stack, zip(*parts, strict=True)), strict=True)]
    return -(-kept // len(modules)) if all(_same(one, other) for one, other in pairs) else None


def _gradients(losses: Tensor, parameters: Sequence[Tensor]) -> Sequence[Tensor]:
    return torch.autograd.grad(losses.sum(), parameters, allow_unused=True, materialize_grads=True)


def _same(one: Tensor, other: Tensor) -> bool:
    """Equal to rounding."""
    bound = torch.finfo(one.dtype).eps ** 0.5 * float(other.detach().abs().max())
    return bool((one - other).abs().max() <= bound)
