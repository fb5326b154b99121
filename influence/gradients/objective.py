"""What a torch model is trained for: each row's loss, and the losses whose gradients add up to its Gauss-Newton matrix.

For softmax the Gauss-Newton matrix is the Fisher matrix, the mean over rows of sum over classes of p_c g_c g_c' with
g_c the gradient as if the row's label were c. With few classes the sum is taken whole, one backward pass a class; with
many, labels are drawn from the model's own probabilities. For squared loss it is the gradient of the output itself.
One forward pass serves all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from culpa.influence.gradients.batches import Batch

__all__ = ["Classification", "Objective", "Regression"]

Forward = Callable[[nn.Module, Batch], Tensor]  # scores (rows, classes), or predictions (rows,) or (rows, 1)
MOST_WHOLE = 16  # classes up to which the sum over classes is taken whole
DRAWS = 4  # labels drawn for each row beyond that


def _first(module: nn.Module, batch: Batch) -> Tensor:
    found: Tensor = module(batch[0])
    return found


class Objective(Protocol):
    """A loss per row, and what curves it."""

    def losses(self, module: nn.Module, batch: Batch) -> Tensor:
        """Loss of each row, (rows,)."""

    def fisher(self, module: nn.Module, batch: Batch, chance: torch.Generator) -> Tensor:
        """Numbers of each row, (rows, passes), whose gradients' outer products add up to its Gauss-Newton matrix."""


@dataclass(frozen=True)
class Classification:
    """Cross-entropy of the scores with the labels, the batch's last tensor; nats."""

    forward: Forward = _first

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Scores of each row before the softmax, (rows, classes)."""
        return _wide(self.forward(module, batch))

    def losses(self, module: nn.Module, batch: Batch) -> Tensor:
        return cross_entropy(self.scores(module, batch), batch[-1], reduction="none")

    def fisher(self, module: nn.Module, batch: Batch, chance: torch.Generator) -> Tensor:
        """sqrt(p_c) times the loss as if the label were c: for every class c, or for labels drawn from p."""
        each = -self.scores(module, batch).log_softmax(1)
        p = (-each).exp().detach()
        if p.shape[1] <= MOST_WHOLE:
            return p.sqrt() * each
        drawn = torch.multinomial(p.cpu(), DRAWS, replacement=True, generator=chance).to(p.device)
        return DRAWS**-0.5 * each.gather(1, drawn)


@dataclass(frozen=True)
class Regression:
    """Half the squared error of one prediction per row; the target is the batch's last tensor."""

    forward: Forward = _first

    def losses(self, module: nn.Module, batch: Batch) -> Tensor:
        return (self.predictions(module, batch) - batch[-1]).square() / 2

    def fisher(self, module: nn.Module, batch: Batch, chance: torch.Generator) -> Tensor:
        return self.predictions(module, batch)[:, None]

    def predictions(self, module: nn.Module, batch: Batch) -> Tensor:
        """The predicted number of each row, (rows,)."""
        found = _wide(self.forward(module, batch))
        return found.flatten(1).squeeze(1) if found.ndim > 1 else found


def _wide(scores: Tensor) -> Tensor:
    """In single precision at least."""
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
