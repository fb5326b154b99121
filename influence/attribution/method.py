"""What a row of the table of methods is: a name, where it comes from, and how to ask it about a training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from culpa.influence.attribution.attribution import Attribution
from culpa.influence.gradients import Losses, Target, target_losses
from culpa.influence.network import Training

__all__ = ["Choices", "Method"]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What can be chosen about a method; each takes what concerns it."""

    seed: int
    layers: Sequence[str] | None = None  # gradients of these alone: influence on few parameters
    damping: float | None = None  # None: the curvature's own rule
    target: Target = "loss"  # of a reference row: its loss, its probability or its margin
    models: int = 10  # trained by methods that train several

    def losses(self, training: Training) -> Losses:
        """The number of a reference row that is asked about."""
        return target_losses(training.recipe.objective, self.target)


@dataclass(frozen=True)
class Method:
    """One way to tell which training rows are to blame."""

    name: str
    title: str
    source: str
    attribute: Callable[[Training, Choices], Attribution]
    retrains: bool = False  # trains again: its cost is that of trainings, not of gradients
    restricts: bool = True  # takes `layers`
    curvature: str | None = None  # that it divides by: it can be fitted once and given again
