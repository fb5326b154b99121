"""captum: TracInCPFast, products of gradients of the last layer, over the checkpoints of the training."""

import copy
from collections.abc import Sequence
from typing import Any

from captum.influence import TracInCPFast
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset

from culpa.influence.network import Checkpoint, Training
from tests.benchmarks.cases import Array
from tests.benchmarks.peers.explained import Method

__all__ = ["METHODS", "between", "own"]

BATCH = 4_096


def between(training: Training, reference: Sequence[Tensor], damping: float | None = None) -> Array:
    """(training rows, reference rows), positive helps."""
    found: Any = tracin(training).influence(tuple(reference))
    return found.T.detach().numpy()  # type: ignore[no-any-return]


def own(training: Training, *, batched: bool = False) -> Array:
    """Score of each row on itself, (training rows,); `batched` hands rows over in batches, not one by one."""
    found: Any = tracin(training, batched=batched).self_influence()
    return found.detach().numpy()  # type: ignore[no-any-return]


def tracin(training: Training, *, batched: bool = False) -> TracInCPFast:
    """Set up over all checkpoints; the last Linear is the layer."""
    module = copy.deepcopy(training.module)
    last = [part for part in module.modules() if isinstance(part, nn.Linear)][-1]
    losses = nn.CrossEntropyLoss(reduction="sum")
    rows: Any = TensorDataset(*training.data)
    if batched:
        rows = DataLoader(rows, sampler=BatchSampler(SequentialSampler(rows), BATCH, drop_last=False), batch_size=None)
    return TracInCPFast(module, last, rows, list(training.checkpoints), _load, losses, BATCH)


def _load(module: nn.Module, checkpoint: Checkpoint) -> float:
    module.load_state_dict(dict(checkpoint.state))
    return checkpoint.rate


METHODS = (Method("captum", "captum TracInCPFast, last layer", between, damped=False),)
