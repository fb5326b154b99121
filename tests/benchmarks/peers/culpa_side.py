"""culpa: every method of its table that scores rows of a network, by name, as far as it is there."""

from collections.abc import Sequence

from torch import Tensor

from culpa.influence.attribution import METHODS as TABLE
from culpa.influence.attribution import Choices, attribute
from culpa.influence.network import Training
from tests.benchmarks.cases import Array
from tests.benchmarks.peers.explained import Explain, Method

__all__ = ["explain_by", "methods"]

UNDAMPED = ("dot", "tracin", "tracin-last")


def explain_by(name: str) -> Explain:
    """The named method."""

    def explain(training: Training, reference: Sequence[Tensor], damping: float | None) -> Array:
        found = attribute(training, name, Choices(seed=0, damping=damping)).between(reference)
        return found.numpy()  # type: ignore[no-any-return]

    return explain


def methods(*names: str) -> list[Method]:
    """Those of these names that the table knows."""
    return [
        Method("culpa", f"culpa {name}", explain_by(name), damped=name not in UNDAMPED)
        for name in names
        if name in TABLE
    ]
