"""A training gone through again backwards, from its last step to its first: the module as it was before each step.

Going backwards needs the parameters before every step. All of them are kept while they are MOST_KEPT numbers or fewer;
beyond that only every sqrt(steps)-th is, and each stretch between two of them is trained again from its beginning, to
the same bits. So never more than MOST_KEPT numbers, or 2 sqrt(steps) networks, are in memory.
Source: the square-root rule is that of checkpointed backpropagation, Griewank 1992; Chen et al. 2016.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from culpa.influence.network.recipe import Recipe, optimizer_of
from culpa.influence.network.training import Moment, Training, copied_state, seeded, take_step

__all__ = ["Steps", "check_linear", "learning_layers", "recorded"]

MOST_KEPT = 2**28  # numbers of all kept states: 1 GB in single precision

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class _Stretch:
    """Steps that follow each other, and all that the first of them found."""

    state: State
    chance: tuple[Tensor, list[Tensor]]  # torch's random states, on the processor and on each graphics card
    moments: list[Moment] = field(default_factory=list)


@dataclass(frozen=True)
class Steps:
    """All steps of a training."""

    training: Training
    stretches: tuple[_Stretch, ...]

    def backwards(self) -> Iterator[Moment]:
        """Each step from the last to the first; `moment.module` is in the state before it until the next is asked for.

        That module belongs to these steps alone, the training's own is not touched.
        """
        for stretch in reversed(self.stretches):
            for moment, state in reversed(self._states(stretch)):
                moment.module.load_state_dict(dict(state))
                yield moment

    def _states(self, stretch: _Stretch) -> list[tuple[Moment, State]]:
        """The steps of a stretch and the state before each: all but the first are found by taking the steps again."""
        module, states = stretch.moments[0].module, [stretch.state]
        if len(stretch.moments) > 1:
            module.load_state_dict(dict(stretch.state))
            module.train()
            optimizer = optimizer_of(self.training.recipe, module)
            with seeded(self.training.seed):
                _set_chance(*stretch.chance)
                for moment in stretch.moments[:-1]:
                    take_step(self.training.recipe, optimizer, moment, self.training.data, self.training.weights)
                    states.append(copied_state(module))
            optimizer.zero_grad()
            module.eval()
        return list(zip(stretch.moments, states, strict=True))


@dataclass
class _Recorder:
    """Keeps every `stride`-th state of a training that it watches."""

    stride: int
    stretches: list[_Stretch] = field(default_factory=list)

    def step(self, moment: Moment) -> None:
        """Keep what the step finds, where its turn has come."""
        if moment.step % self.stride == 0:
            chance = torch.random.get_rng_state(), torch.cuda.get_rng_state_all()
            self.stretches.append(_Stretch(copied_state(moment.module), chance))
        self.stretches[-1].moments.append(moment)

    def epoch(self, number: int, module: nn.Module) -> None:
        """Nothing to keep."""


def recorded(training: Training, most: int = MOST_KEPT) -> Steps:
    """The steps of a training, found by training once more; `most` numbers are kept for the sake of speed.

    Errors: ValueError for an optimizer whose steps cannot be taken again from the parameters alone.
    """
    recipe = training.recipe
    steps = recipe.epochs * math.ceil(len(training) / recipe.batch_size)
    numbers = steps * sum(value.numel() for value in training.module.state_dict().values())
    remembers = recipe.optimizer != "sgd" or recipe.momentum > 0
    if numbers > most and remembers:
        raise ValueError(
            f"{steps:,} steps of this network are {numbers:,} numbers, {most:,} can be kept, and the steps of "
            f"{recipe.optimizer} with momentum are not taken again from fewer: train with sgd and momentum 0"
        )
    recorder = _Recorder(1 if numbers <= most else math.ceil(math.sqrt(steps)))
    training.again(training.weights, recorder)
    return Steps(training, tuple(recorder.stretches))


def _set_chance(processor: Tensor, cards: list[Tensor]) -> None:
    torch.random.set_rng_state(processor)
    torch.cuda.set_rng_state_all(cards)


def learning_layers(module: nn.Module) -> list[str]:
    """The layers whose own parameters the steps move, by the module's own names."""
    own = {name: list(layer.parameters(recurse=False)) for name, layer in module.named_modules()}
    return [name for name, parameters in own.items() if any(one.requires_grad for one in parameters)]


def check_linear(recipe: Recipe) -> None:
    """Refuse steps in which a single row's part is no multiple of its gradient."""
    if recipe.optimizer != "sgd":
        raise ValueError(
            f"a step of {recipe.optimizer} is not linear in the rows' gradients, so a row's part in it has no closed "
            "form: train with sgd (momentum is counted), or take tracin or ekfac"
        )
