"""traker, TRAK by its own authors: margins, a dense random projection of the whole gradient, some or many networks."""

import contextlib
import copy
import io
import logging
import tempfile
from collections.abc import Sequence

from torch import Tensor
from trak import TRAKer
from trak.projectors import BasicProjector, ProjectionType

from culpa.influence.gradients import in_order
from culpa.influence.network import Training
from tests.benchmarks.cases import Array

__all__ = ["trak"]

BATCH = 500


def trak(
    trainings: Sequence[Training], reference: Sequence[Tensor], dimensions: int, damping: float | None = None
) -> Array:
    """(training rows, reference rows), positive helps, from the ends of one or more trainings."""
    module, data = copy.deepcopy(trainings[0].module), trainings[0].data
    states = [dict(training.checkpoints[-1].state) for training in trainings]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        traker = TRAKer(
            module,
            "image_classification",
            train_set_size=len(trainings[0]),
            save_dir=folder,
            device="cpu",
            projector=_projector(sum(one.numel() for one in module.parameters()), dimensions),
            proj_dim=dimensions,
            logging_level=logging.ERROR,
            use_half_precision=False,
            lambda_reg=damping or 0.0,
        )
        for place, state in enumerate(states):
            traker.load_checkpoint(state, model_id=place)
            for batch in in_order(data, BATCH):
                traker.featurize(batch=list(batch), num_samples=len(batch[0]))
        traker.finalize_features()
        for place, state in enumerate(states):
            traker.start_scoring_checkpoint("asked", state, model_id=place, num_targets=len(reference[0]))
            for batch in in_order(reference, BATCH):
                traker.score(batch=list(batch), num_samples=len(batch[0]))
        return traker.finalize_scores("asked").copy()  # type: ignore[no-any-return]


def _projector(parameters: int, dimensions: int) -> BasicProjector:
    """The projection for processors without CUDA, in two blocks: a single one it frees and then misses."""
    return BasicProjector(parameters, dimensions, 0, ProjectionType.rademacher, "cpu", block_size=-(-dimensions // 2))
