"""Influence at every checkpoint of a training instead of at its end alone, averaged.

score(i, v) = mean over checkpoints c of <g_v(c), H(c)^-1 g_i(c)> / n, positive helps, in units of the loss

At the end of a training most rows are learnt, and their gradients no longer tell what they taught; on the way they do.
What TracIn is to the plain product of gradients this is to influence. It foretells networks trained on halves of the
rows better than influence at the end, in small networks by .08 to .15 of the linear datamodeling score, on MNIST by .09
(`tests/benchmarks/peers/datamodeling.py`), where a larger damping than the default helps both. Bae et al. 2024 (SOURCE)
instead carry the reference gradient back through the segments of a training.
Source: Pruthi et al. 2020 for the checkpoints, Grosse et al. 2023 for the curvature.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from culpa.influence.attribution.attribution import Attribution, ByGradients, OverRows
from culpa.influence.attribution.by_curvature import influence_through
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training

__all__ = ["ALONG_TRAINING", "MeanOver", "along_training"]


@dataclass(frozen=True)
class MeanOver:
    """The mean of several gradient methods."""

    methods: Sequence[ByGradients]

    def between(self, training: Sequence[Any], reference: Sequence[Batch]) -> Tensor:
        """(training rows, reference rows), positive helps."""
        return self._mean(lambda method: method.between(training, reference))

    def on_mean(self, training: Sequence[Any], reference: Sequence[Batch]) -> Tensor:
        """(training rows,), positive helps."""
        return self._mean(lambda method: method.on_mean(training, reference))

    def own(self, training: Sequence[Any]) -> Tensor:
        """(training rows,), never negative where no method's is."""
        return self._mean(lambda method: method.own(training))

    def _mean(self, ask: Callable[[ByGradients], Tensor]) -> Tensor:
        total = ask(self.methods[0])
        for method in self.methods[1:]:
            total = total + ask(method)
        return total / len(self.methods)


def along_training(curvature: str, training: Training, choices: Choices) -> MeanOver:
    """Influence through the named curvature, fitted at each checkpoint on the training rows."""
    return MeanOver([influence_through(curvature, one, choices) for one in _moments(training)])


def _moments(training: Training) -> list[Training]:
    """The training as it was at each checkpoint, in a module of its own."""
    found = []
    for checkpoint in training.checkpoints:
        module = deepcopy(training.module)
        with torch.no_grad():
            module.load_state_dict(dict(checkpoint.state))
        found.append(replace(training, module=module))
    return found


def _method(name: str, title: str, curvature: str) -> Method:
    def attribute(training: Training, choices: Choices) -> Attribution:
        return OverRows(along_training(curvature, training, choices), training.batches())

    return Method(name, title, "Pruthi et al. 2020, Grosse et al. 2023", attribute)


ALONG_TRAINING = (
    _method("kfac-checkpoints", "influence, K-FAC, at every checkpoint", "kfac"),
    _method("ekfac-checkpoints", "influence, EK-FAC, at every checkpoint", "ekfac"),
)
