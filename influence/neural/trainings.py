"""Trainings that are kept: taken from the folder where they lie there, else done and put there."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from culpa.influence.gradients.batches import Batch
from culpa.influence.network.dynamics import Dynamics, Looking
from culpa.influence.network.recipe import Recipe
from culpa.influence.network.stopping import stopped_early
from culpa.influence.network.training import Checkpoint, Training, seeded, train
from culpa.influence.neural.kept import Content, Kept, name_of

__all__ = ["kept_epochs", "kept_training", "looked_at"]


def kept_training(kept: Kept, recipe: Recipe, data: Batch, *, seed: int) -> Training:
    """The training of this recipe on these rows."""
    name = name_of("training", kept.code, recipe, _shapes(recipe, seed), list(data), seed)
    tensors, words = kept.of(name, lambda: _apart(train(recipe, data, seed=seed)))
    return _together(recipe, data, seed, tensors, words)


def looked_at(kept: Kept, recipe: Recipe, data: Batch, looked: Batch, *, seed: int) -> tuple[Training, Dynamics]:
    """The same, and how it learnt the rows `looked`."""
    name = name_of("looked-at", kept.code, recipe, _shapes(recipe, seed), list(data), list(looked), seed)

    def make() -> Content:
        looking = Looking(recipe.objective, looked)
        tensors, words = _apart(train(recipe, data, seed=seed, watch=looking))
        seen = {f"dynamics/{name}": torch.from_numpy(values) for name, values in looking.dynamics().columns().items()}
        return tensors | seen, words

    tensors, words = kept.of(name, make)
    seen = {key.removeprefix("dynamics/"): value for key, value in tensors.items() if key.startswith("dynamics/")}
    return _together(recipe, data, seed, tensors, words), Dynamics(**{key: one.numpy() for key, one in seen.items()})


def kept_epochs(kept: Kept, recipe: Recipe, data: Batch, held_out: Batch, *, seed: int) -> Recipe:
    """The recipe with the epochs that the held-out rows ask for."""
    name = name_of("epochs", kept.code, recipe, _shapes(recipe, seed), list(data), list(held_out), seed)

    def make() -> Content:
        found = stopped_early(recipe, data, held_out, seed=seed, patience=recipe.patience or 1)
        return {}, {"epochs": str(found.epochs)}

    return replace(recipe, epochs=int(kept.of(name, make)[1]["epochs"]))


def _shapes(recipe: Recipe, seed: int) -> str:
    """The network's parameters by name and shape: a recipe's function cannot be told apart, but what it makes can."""
    with seeded(seed):
        return str([(name, tuple(value.shape)) for name, value in recipe.make().state_dict().items()])


def _apart(training: Training) -> Content:
    tensors = {
        f"{place}/{name}": value
        for place, checkpoint in enumerate(training.checkpoints)
        for name, value in checkpoint.state.items()
    }
    return tensors, {"rates": " ".join(repr(checkpoint.rate) for checkpoint in training.checkpoints)}


def _together(
    recipe: Recipe, data: Batch, seed: int, tensors: Mapping[str, Tensor], words: Mapping[str, str]
) -> Training:
    def state(place: int) -> dict[str, Tensor]:
        start = f"{place}/"
        return {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}

    rates = [float(rate) for rate in words["rates"].split()]
    checkpoints = tuple(Checkpoint(state(place), rate) for place, rate in enumerate(rates))
    with seeded(seed):
        module = recipe.make().to(data[0].device)
    module.load_state_dict(dict(checkpoints[-1].state))
    return Training(recipe, data, seed, module.eval(), checkpoints)
