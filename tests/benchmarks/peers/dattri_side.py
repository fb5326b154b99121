"""dattri: influence through the explicit Hessian, conjugate gradients, Arnoldi and EK-FAC, TracIn, and TRAK.

Its Hessian is that of the mean loss over each batch of the loader, and it adds the answers of several batches up: it is
given all rows in one batch, which is where it is right. Its EK-FAC joins weight and bias of a layer in another order
than its factors do; `explain_without_bias` offers a linear model whose bias is a column of ones, where that is no harm.
"""

import contextlib
import copy
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from dattri.algorithm import (
    IFAttributorArnoldi,
    IFAttributorCG,
    IFAttributorDataInf,
    IFAttributorEKFAC,
    IFAttributorExplicit,
    TracInAttributor,
    TRAKAttributor,
)
from dattri.task import AttributionTask
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from culpa.influence.network import Checkpoint, Training
from tests.benchmarks.cases import Array
from tests.benchmarks.peers.explained import Explain, Method

__all__ = ["METHODS", "ekfac", "explain_without_bias", "own", "task_of", "trak"]

QUERIES = 100  # reference rows at once

Attributor = Callable[[AttributionTask, float], Any]


def task_of(training: Training, checkpoints: Sequence[Checkpoint] | None = None) -> AttributionTask:
    """The mean cross-entropy of a model at one or more checkpoints; left out: the end of the training."""
    module = copy.deepcopy(training.module)

    def loss(parameters: Any, data: Any) -> Tensor:
        features, labels = data
        return cross_entropy(functional_call(module, parameters, (features,)), labels)

    states = [dict(one.state) for one in checkpoints or training.checkpoints[-1:]]
    return AttributionTask(loss_func=loss, model=module, checkpoints=states)


def loader(data: Sequence[Tensor], size: int) -> "DataLoader[Any]":
    """Rows in order."""
    return DataLoader(TensorDataset(*data), batch_size=size, shuffle=False)


def through(make: Attributor, *, checkpoints: bool = False) -> Explain:
    """Influence by an attributor made of a task and a regularization, 0 being the tool's default.

    At the end of the training, or averaged over its checkpoints, as the tool offers.
    """

    def explain(training: Training, reference: Sequence[Tensor], damping: float | None) -> Array:
        rows = loader(training.data, len(training))
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bars
            attributor = make(task_of(training, training.checkpoints if checkpoints else None), damping or 0.0)
            attributor.cache(rows)
            try:
                found = attributor.attribute(rows, loader(reference, QUERIES))
            except torch.linalg.LinAlgError:  # its default leaves a softmax Hessian singular
                return np.full((len(training), len(reference[0])), np.nan)
        return found.detach().numpy()  # type: ignore[no-any-return]

    return explain


def own(training: Training, damping: float) -> Array:
    """Self-influence through its EK-FAC, (training rows,); it takes all rows in one batch only."""
    rows = loader(training.data, len(training))
    with contextlib.redirect_stderr(io.StringIO()):
        attributor = IFAttributorEKFAC(task_of(training), damping=damping)
        attributor.cache(rows)
        return attributor.self_attribute(rows).detach().numpy()  # type: ignore[no-any-return]


def tracin(training: Training, reference: Sequence[Tensor], damping: float | None = None) -> Array:
    """TracIn over all layers and checkpoints."""
    rates = torch.tensor([one.rate for one in training.checkpoints])
    with contextlib.redirect_stderr(io.StringIO()):
        attributor = TracInAttributor(task_of(training, training.checkpoints), rates, normalized_grad=False)
        found = attributor.attribute(loader(training.data, 512), loader(reference, 512))
    return found.detach().numpy()  # type: ignore[no-any-return]


def trak(trainings: Sequence[Training], reference: Sequence[Tensor], dimensions: int, damping: float = 0.0) -> Array:
    """TRAK over the ends of one or more trainings, as its own MNIST example sets it up: margins, random projection."""
    module = copy.deepcopy(trainings[0].module)

    def margin(parameters: Any, data: Any) -> Tensor:
        p = probability(parameters, data)
        return torch.log(p) - torch.log(1 - p + 1e-8)

    def probability(parameters: Any, data: Any) -> Tensor:
        features, labels = data
        scores = functional_call(module, parameters, (features[None],))
        return torch.exp(-cross_entropy(scores, labels[None]))

    states = [dict(training.checkpoints[-1].state) for training in trainings]
    task = AttributionTask(loss_func=margin, model=module, checkpoints=states)
    options = {"proj_dim": dimensions, "proj_max_batch_size": 32, "proj_seed": 0, "device": "cpu"}
    with contextlib.redirect_stderr(io.StringIO()):
        attributor = TRAKAttributor(task, probability, options, regularization=damping)
        attributor.cache(loader(trainings[0].data, 500))
        found = attributor.attribute(loader(reference, 500))
    return found.detach().numpy()  # type: ignore[no-any-return]


def explain_without_bias(explain: Explain) -> Explain:
    """The same of a linear model whose bias is the weight of a last column of ones."""

    def folded(training: Training, reference: Sequence[Tensor], damping: float | None) -> Array:
        layer = next(part for part in training.module.modules() if isinstance(part, nn.Linear))
        module = nn.Sequential(nn.Linear(layer.in_features + 1, layer.out_features, bias=False))
        weights = torch.cat([layer.weight, layer.bias[:, None]], dim=1).detach()
        module.load_state_dict({"0.weight": weights})
        checkpoints = (Checkpoint(module.state_dict(), training.checkpoints[-1].rate),)
        same = replace(training, module=module, data=_with_ones(training.data), checkpoints=checkpoints)
        return explain(same, _with_ones(reference), damping)

    return folded


def _with_ones(data: Sequence[Tensor]) -> list[Tensor]:
    features, labels = data
    return [torch.cat([features, torch.ones(len(features), 1)], dim=1), labels]


explicit = through(lambda task, damping: IFAttributorExplicit(task, regularization=damping))
conjugate = through(lambda task, damping: IFAttributorCG(task, max_iter=10, regularization=damping))
conjugate_checkpoints = through(
    lambda task, damping: IFAttributorCG(task, max_iter=10, regularization=damping), checkpoints=True
)
arnoldi = through(lambda task, damping: IFAttributorArnoldi(task, regularization=damping))
datainf = through(lambda task, damping: IFAttributorDataInf(task, regularization=damping))
ekfac = through(lambda task, damping: IFAttributorEKFAC(task, damping=damping))

METHODS = (
    Method("dattri", "dattri explicit Hessian", explicit),
    Method("dattri", "dattri conjugate gradients", conjugate),
    Method("dattri", "dattri Arnoldi", arnoldi),
    Method("dattri", "dattri DataInf", datainf),
    Method("dattri", "dattri EK-FAC", ekfac),
    Method("dattri", "dattri EK-FAC, bias as a column", explain_without_bias(ekfac)),
    Method("dattri", "dattri TracIn, all layers", tracin, damped=False),
)
