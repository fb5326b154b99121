"""culpa: the methods of its table that score rows of a network, and its curvatures, by name where they are there."""

from collections.abc import Sequence

from torch import Tensor

from culpa.influence.attribution import METHODS as TABLE
from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.through_curvature import NetworkInfluence
from culpa.influence.curvature import CURVATURES
from culpa.influence.gradients import in_order
from culpa.influence.network import Training
from tests.benchmarks.cases import Array
from tests.benchmarks.peers.explained import Explain, Method

__all__ = ["explain_by", "methods"]

UNDAMPED = ("dot", "identity", "tracin", "tracin-last", "dve", "rollback")


def explain_by(name: str) -> Explain:
    """The named method of the table, or influence through the named curvature."""
    return _by_method(name) if name in TABLE else _by_curvature(name)


def methods(*names: str) -> list[Method]:
    """Those of these names that are there."""
    return [
        Method("culpa", f"culpa {name}", explain_by(name), damped=name not in UNDAMPED)
        for name in names
        if name in TABLE or name in CURVATURES
    ]


def _by_method(name: str) -> Explain:
    def explain(training: Training, reference: Sequence[Tensor], damping: float | None) -> Array:
        found = attribute(training, name, Choices(seed=0, damping=damping)).between(reference)
        return found.numpy()  # type: ignore[no-any-return]

    return explain


def _by_curvature(name: str) -> Explain:
    def explain(training: Training, reference: Sequence[Tensor], damping: float | None) -> Array:
        objective, rows = training.recipe.objective, training.batches()
        curvature = CURVATURES[name](training.module, objective, rows, seed=0, damping=damping)
        influence = NetworkInfluence(training.module, objective, curvature, len(training))
        return influence.between(rows, list(in_order(reference))).numpy()  # type: ignore[no-any-return]

    return explain
