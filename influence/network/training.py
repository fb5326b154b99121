"""The training of a network on rows: deterministic, watched step by step, its checkpoints kept.

A step lowers the mean over the batch's rows of weight * loss. Whoever watches is told of each step before it is taken
and of each epoch after it: methods that follow a training (data value embedding, gradient rollback, turn-over dropout,
learning dynamics) are watchers, and there is one loop for all of them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from culpa.influence.gradients import in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.network.recipe import Recipe, optimizer_of, rate_at

__all__ = [
    "Checkpoint",
    "Moment",
    "Training",
    "Watcher",
    "check_losses",
    "check_rows",
    "checkpoint_epochs",
    "copied_state",
    "restored",
    "seeded",
    "take_step",
    "train",
]

BATCH = 1_024  # rows looked at together when nothing is learnt from them


@dataclass(frozen=True)
class Checkpoint:
    """The network's state at one moment of its training, and the learning rate there."""

    state: Mapping[str, Tensor]
    rate: float


@dataclass(frozen=True)
class Moment:
    """A step that is about to be taken."""

    step: int  # from 0
    epoch: int  # from 0
    rows: Tensor  # (batch,) positions of the rows it learns from
    rate: float
    module: nn.Module


class Watcher(Protocol):
    """Somebody who follows a training."""

    def step(self, moment: Moment) -> None:
        """Called before each step's forward pass."""

    def epoch(self, number: int, module: nn.Module) -> None:
        """Called after each epoch, counted from 0."""


@dataclass(frozen=True)
class Training:
    """A network after its training, and all that it was trained with."""

    recipe: Recipe
    data: Batch  # features first, labels last; the training rows in order
    seed: int
    module: nn.Module  # in evaluation mode
    checkpoints: tuple[Checkpoint, ...]  # the last is the end
    weights: Tensor | None = field(default=None)  # (rows,) None: 1 each

    def __len__(self) -> int:
        """Count the training rows."""
        return len(self.data[0])

    def batches(self, size: int = BATCH) -> list[Batch]:
        """The training rows in order."""
        return list(in_order(self.data, size))

    def again(self, weights: Tensor | None = None, watch: Watcher | None = None, seed: int | None = None) -> "Training":
        """The same training with other weights of the rows, watched, or from another seed."""
        return train(self.recipe, self.data, seed=self.seed if seed is None else seed, weights=weights, watch=watch)

    def without(self, rows: Tensor) -> "Training":
        """The same training with these rows left out: same start, same order, same denominators."""
        weights = torch.ones(len(self)) if self.weights is None else self.weights.clone()
        weights[rows] = 0.0
        return self.again(weights)

    def losses(self, data: Batch) -> Tensor:
        """Loss of each of some rows at the end of the training, (rows,)."""
        with torch.no_grad():
            parts = [self.recipe.objective.losses(self.module, batch) for batch in in_order(data, BATCH)]
        return torch.cat(parts)


def train(
    recipe: Recipe, data: Batch, *, seed: int, weights: Tensor | None = None, watch: Watcher | None = None
) -> Training:
    """Train a fresh network on the rows of `data`.

    `weights` (rows,) scale each row's loss; 0 leaves the row out of an otherwise unchanged training. Torch's global
    random state is afterwards what it was. Errors: ValueError for parts of unequal length, weights that do not fit, and
    a loss that is no longer finite.
    """
    count = check_rows(data, weights)
    device = data[0].device
    with seeded(seed):
        module = recipe.make().to(device)
        chance = torch.Generator().manual_seed(seed)
        kept = _learn(recipe, module, data, weights, watch, chance, count)
    return Training(recipe, data, seed, module.eval(), kept, weights)


def _learn(
    recipe: Recipe,
    module: nn.Module,
    data: Batch,
    weights: Tensor | None,
    watch: Watcher | None,
    chance: torch.Generator,
    count: int,
) -> tuple[Checkpoint, ...]:
    optimizer, step = optimizer_of(recipe, module), 0
    steps = recipe.epochs * -(-count // recipe.batch_size)
    moments, kept = checkpoint_epochs(recipe), []
    for epoch in range(recipe.epochs):
        module.train()
        for rows in torch.split(torch.randperm(count, generator=chance), recipe.batch_size):
            moment = Moment(step, epoch, rows, rate_at(recipe, step, steps), module)
            if watch is not None:
                watch.step(moment)
            take_step(recipe, optimizer, moment, data, weights)
            step += 1
        if epoch in moments:
            kept.append(Checkpoint(copied_state(module), rate_at(recipe, step - 1, steps)))
        if watch is not None:
            watch.epoch(epoch, module)
    optimizer.zero_grad()
    return tuple(kept)


def take_step(
    recipe: Recipe, optimizer: torch.optim.Optimizer, moment: Moment, data: Batch, weights: Tensor | None
) -> None:
    """One step down the mean weighed loss of a batch."""
    rows = moment.rows.to(data[0].device)
    losses = recipe.objective.losses(moment.module, [part[rows] for part in data])
    check_losses(losses, moment.epoch, moment.rate)
    summed = losses.sum() if weights is None else losses @ weights[moment.rows].to(losses)
    for group in optimizer.param_groups:
        group["lr"] = moment.rate
    optimizer.zero_grad()
    torch.autograd.backward(summed / len(rows))
    optimizer.step()


def check_losses(losses: Tensor, epoch: int, rate: float) -> None:
    """Refuse to go on once a loss is no longer finite."""
    if not bool(torch.isfinite(losses).all()):
        raise ValueError(
            f"the loss is not finite in epoch {epoch + 1} at the learning rate {rate:.3g}: "
            "lower the rate, or look for features that are not finite"
        )


def checkpoint_epochs(recipe: Recipe) -> set[int]:
    """Epochs after which a checkpoint is kept: evenly spread, the last one among them."""
    count = min(recipe.checkpoints, recipe.epochs)
    return {round(recipe.epochs * (place + 1) / count) - 1 for place in range(count)}


def copied_state(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers as they are now."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def check_rows(data: Batch, weights: Tensor | None) -> int:
    """The number of rows. Errors: ValueError for parts or weights of another number."""
    lengths = {len(part) for part in data}
    if len(lengths) != 1 or not min(lengths):
        raise ValueError(f"parts of {sorted(lengths)} rows came, needed the same number of rows in each, one at least")
    count = lengths.pop()
    if weights is not None and weights.shape != (count,):
        raise ValueError(f"weights of the shape {tuple(weights.shape)} came for {count} rows: give one for each row")
    return count


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global random state from this seed, and afterwards as it was."""
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def restored(module: nn.Module) -> Iterator[None]:
    """Give the module its state back at the end."""
    before = copied_state(module)
    try:
        yield
    finally:
        module.load_state_dict(before)
