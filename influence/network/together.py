"""Many networks trained at once: the same recipe and rows, each with its own seed and weights of the rows.

What methods that train again live on: a step of a hundred small networks is the same few tensor products as a step of
one. Each network is the one that `train` gives, to rounding: the same start, its own order of the rows, the same
schedule and denominators, and the same optimizer, which is elementwise, so that stacking changes nothing. Networks that
cannot be run as one, with dropout for instance, are trained by `train`, one after another.
Measured on one core: a hundred of the networks of the tests in a seventh to a fourteenth of the time, a hundred of 64,
50 and 10 units on 1,500 rows in a fifth.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from culpa.influence.gradients import Losses, in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.network.recipe import Recipe, optimizer_of, rate_at
from culpa.influence.network.stacked import Stacked, room_for, stack
from culpa.influence.network.training import (
    BATCH,
    Checkpoint,
    Training,
    check_losses,
    check_rows,
    checkpoint_epochs,
    seeded,
    train,
)

__all__ = ["losses_together", "train_together"]

MOST_NUMBERS = 2**24  # that a group of networks holds in a step: 64 MB in single precision
COPIES = 4  # of a network's parameters in a step: themselves, their gradient, what the optimizer keeps


def train_together(
    recipe: Recipe, data: Batch, *, seeds: Sequence[int], weights: Tensor | None = None
) -> list[Training]:
    """Train one network for each seed; `weights` (models, rows) scale each row's loss in each of them.

    Memory: every network's checkpoints are kept, so that `replace(recipe, checkpoints=1)` saves most of it. Errors: as
    of `train`, and ValueError for weights that do not fit.
    """
    count = check_rows(data, None)
    if weights is not None and weights.shape != (len(seeds), count):
        raise ValueError(
            f"weights of the shape {tuple(weights.shape)} came for {len(seeds)} networks and {count} rows: give each "
            "network one for each row"
        )
    found, size = [], _group_size(recipe, data, seeds)
    for start in range(0, len(seeds), size):
        models = slice(start, start + size)
        some = None if weights is None else weights[models]
        found += _group(recipe, data, seeds[models], some) if size > 1 else _alone(recipe, data, seeds[start], some)
    return found


def losses_together(trainings: Sequence[Training], data: Batch, losses: Losses | None = None) -> Tensor:
    """What each network makes of some rows, (models, rows): their losses, or the numbers that `losses` gives."""
    asked = losses or trainings[0].recipe.objective.losses
    modules = [training.module for training in trainings]
    parts = [_of_batch(modules, asked, batch) for batch in in_order(data, BATCH)]
    return torch.cat(parts, dim=1)


def _of_batch(modules: Sequence[nn.Module], losses: Losses, batch: Batch) -> Tensor:
    size = _fitting(modules, losses, batch, len(batch[0]))
    with torch.no_grad():
        if size == 1:
            return torch.stack([losses(module, batch) for module in modules])
        groups = [stack(modules[start : start + size]) for start in range(0, len(modules), size)]
        return torch.cat([group.losses(losses, batch, shared=True) for group in groups])


def _group_size(recipe: Recipe, data: Batch, seeds: Sequence[int]) -> int:
    """How many networks to train as one; 1 where they cannot be."""
    if len(seeds) < 2:
        return 1
    modules = [_made(recipe, data, seed) for seed in (seeds[0], seeds[0] + 1)]
    return _fitting(modules, recipe.objective.losses, [part[:BATCH] for part in data], recipe.batch_size)


def _fitting(modules: Sequence[nn.Module], losses: Losses, batch: Batch, rows: int) -> int:
    """How many of these networks fit into memory together with batches of so many rows, 1 if they cannot be one."""
    room = room_for(modules[:2], losses, batch) if len(modules) > 1 else None
    if room is None:
        return 1
    for_rows = (room + sum(part[0].numel() * len(part) for part in batch)) * rows // len(batch[0])
    return max(1, MOST_NUMBERS // (for_rows + COPIES * sum(one.numel() for one in modules[0].parameters())))


def _made(recipe: Recipe, data: Batch, seed: int) -> nn.Module:
    """The network at its start, as `train` makes it."""
    with seeded(seed):
        return recipe.make().to(data[0].device).train()


def _alone(recipe: Recipe, data: Batch, seed: int, weights: Tensor | None) -> list[Training]:
    return [train(recipe, data, seed=seed, weights=None if weights is None else weights[0])]


def _group(recipe: Recipe, data: Batch, seeds: Sequence[int], weights: Tensor | None) -> list[Training]:
    """Trainings of a few networks as one."""
    starts = {seed: _made(recipe, data, seed) for seed in seeds}
    stacked = stack([starts[seed] for seed in seeds])
    kept = _learn(recipe, stacked, data, seeds, weights)
    return [
        _training(recipe, data, seed, stacked.module, moments, None if weights is None else weights[place])
        for place, (seed, moments) in enumerate(zip(seeds, zip(*kept, strict=True), strict=True))
    ]


def _training(
    recipe: Recipe,
    data: Batch,
    seed: int,
    like: nn.Module,
    checkpoints: tuple[Checkpoint, ...],
    weights: Tensor | None,
) -> Training:
    module = deepcopy(like).eval()
    module.load_state_dict(dict(checkpoints[-1].state))
    return Training(recipe, data, seed, module, checkpoints, weights)


def _learn(
    recipe: Recipe, stacked: Stacked, data: Batch, seeds: Sequence[int], weights: Tensor | None
) -> list[list[Checkpoint]]:
    """Train the networks, and return each moment's checkpoints, one for each network."""
    optimizer, step = optimizer_of(recipe, nn.ParameterList(stacked.learning)), 0
    steps = recipe.epochs * -(-len(data[0]) // recipe.batch_size)
    chances = {seed: torch.Generator().manual_seed(seed) for seed in seeds}
    moments, kept = checkpoint_epochs(recipe), []
    for epoch in range(recipe.epochs):
        for rows in torch.split(_order(len(data[0]), seeds, chances), recipe.batch_size, dim=-1):
            rate = rate_at(recipe, step, steps)
            losses = _weighed(recipe, stacked, data, rows, weights, epoch, rate)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            torch.autograd.backward(losses.sum() / rows.shape[-1])
            optimizer.step()
            step += 1
        if epoch in moments:
            kept.append([Checkpoint(state, rate_at(recipe, step - 1, steps)) for state in stacked.states()])
    return kept


def _order(count: int, seeds: Sequence[int], chances: Mapping[int, torch.Generator]) -> Tensor:
    """The rows of an epoch, (models, rows), or (rows,) where one seed gives all networks the same order."""
    orders = {seed: torch.randperm(count, generator=chance) for seed, chance in chances.items()}
    return torch.stack([orders[seed] for seed in seeds]) if len(orders) > 1 else orders[seeds[0]]


def _weighed(
    recipe: Recipe, stacked: Stacked, data: Batch, rows: Tensor, weights: Tensor | None, epoch: int, rate: float
) -> Tensor:
    """Losses of each network's batch times the weights of its rows, (models, batch)."""
    there = rows.to(data[0].device)
    losses = stacked.losses(recipe.objective.losses, [part[there] for part in data], shared=rows.ndim == 1)
    check_losses(losses, epoch, rate)
    if weights is None:
        return losses
    rows = rows.to(weights.device)
    own = weights[:, rows] if rows.ndim == 1 else weights.gather(1, rows)
    return losses * own.to(losses)
