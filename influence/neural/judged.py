"""A method over all rows of a data set, its curvature and the rows' gradients kept beside the training."""

from collections.abc import Mapping, Sequence

from culpa.influence.attribution import METHODS, Attribution, Choices, attribute
from culpa.influence.attribution.attribution import OverRows
from culpa.influence.attribution.by_curvature import fit_curvature, influence_through
from culpa.influence.attribution.through_curvature import Rows
from culpa.influence.curvature import Curvature
from culpa.influence.curvature.stored import restore, store
from culpa.influence.gradients import Rowwise, capture, in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.stored import restore_gradients, size_of, store_gradients
from culpa.influence.network.training import BATCH, Training
from culpa.influence.neural.kept import Content, Kept, name_of

__all__ = ["judged"]

MOST_BYTES = 2**28  # of the gradients of all rows, in their factors: more are captured again at each use
HOLD_THE_ROWS = ("conjugate", "datainf")  # curvatures that cannot be kept


def judged(kept: Kept, training: Training, method: str, choices: Choices, everybody: Batch) -> Attribution:
    """The scores of all rows by the named method, though the training may have left some of them out."""
    rows: list[Batch] = list(in_order(everybody, BATCH))
    curvature = METHODS[method].curvature
    if curvature is None:
        found = attribute(training, method, choices)
        return OverRows(found.method, rows) if isinstance(found, OverRows) else found
    fitted = None
    if curvature not in HOLD_THE_ROWS:
        fitted = _curvature(kept, training, curvature, choices)
    through = influence_through(curvature, training, choices, fitted)
    return OverRows(through, _gradients(kept, training, choices, rows))


def _curvature(kept: Kept, training: Training, curvature: str, choices: Choices) -> Curvature:
    options = curvature, choices.layers, choices.damping, choices.seed
    name = name_of("curvature", _weights(training), list(training.data), *options)
    return restore(*kept.of(name, lambda: store(fit_curvature(curvature, training, choices))))


def _gradients(kept: Kept, training: Training, choices: Choices, rows: Sequence[Batch]) -> Sequence[Rows]:
    """The rows' gradients if they fit, else the rows."""
    module, losses = training.module, training.recipe.objective.losses

    def captured(batch: Batch) -> Mapping[str, Rowwise]:
        return capture(module, losses, batch, choices.layers).layers

    first = captured(rows[0])
    if size_of(first) * len(rows) > MOST_BYTES:
        return rows
    weights = _weights(training)

    def of(batch: Batch) -> Mapping[str, Rowwise]:
        def make() -> Content:
            return store_gradients(captured(batch))

        return restore_gradients(*kept.of(name_of("gradients", weights, list(batch), choices.layers), make))

    return [of(batch) for batch in rows]


def _weights(training: Training) -> list[object]:
    """The trained network, for a name: its parameters in an order that reading a file does not change."""
    return [part for item in sorted(training.checkpoints[-1].state.items()) for part in item]
