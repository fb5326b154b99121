"""kronfluence: EK-FAC and K-FAC, factors fitted to files and scores read back from them.

Labels of the Fisher matrix are drawn once for each row from torch's global random state, seeded here. Left to itself
the tool adds 1e-8; a damping of None here asks for its heuristic, a tenth of the mean eigenvalue of each layer.
"""

import copy
import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

from culpa.influence.network import Training
from tests.benchmarks.cases import Array
from tests.benchmarks.peers.explained import Method

__all__ = ["METHODS", "between", "on_mean", "own"]

OWN_DEFAULT = 1e-8
BATCH, QUERIES = 4_096, 1_024
SCORES = "all_modules"


class Classification(Task):
    """The summed cross-entropy of a batch, with its labels or with labels drawn from the model."""

    def compute_train_loss(self, batch: Any, model: nn.Module, sample: bool = False) -> Tensor:
        features, labels = batch
        scores = model(features)
        if sample:
            labels = torch.multinomial(scores.detach().softmax(1), 1).flatten()
        return cross_entropy(scores, labels, reduction="sum")

    def compute_measurement(self, batch: Any, model: nn.Module) -> Tensor:
        return self.compute_train_loss(batch, model)


def between(
    training: Training, reference: Sequence[Tensor], damping: float | None, strategy: str = "ekfac", seed: int = 0
) -> Array:
    """(training rows, reference rows), positive helps."""
    return _pairwise(training, reference, ScoreArguments(damping_factor=damping), strategy, seed)


def on_mean(training: Training, reference: Sequence[Tensor], damping: float | None) -> Array:
    """The sum over the reference rows, (training rows, 1): one direction for all of them."""
    options = ScoreArguments(damping_factor=damping, aggregate_query_gradients=True)
    return _pairwise(training, reference, options, "ekfac", 0)


def _pairwise(
    training: Training, reference: Sequence[Tensor], options: ScoreArguments, strategy: str, seed: int
) -> Array:
    def score(analyzer: Analyzer, rows: TensorDataset) -> Tensor:
        analyzer.compute_pairwise_scores(
            "scores",
            "factors",
            query_dataset=TensorDataset(*reference),
            train_dataset=rows,
            per_device_query_batch_size=QUERIES,
            per_device_train_batch_size=BATCH,
            score_args=options,
        )
        return analyzer.load_pairwise_scores("scores")[SCORES].T  # type: ignore[index]

    return _with_factors(training, strategy, seed, score).numpy()


def own(training: Training, damping: float | None) -> Array:
    """Self-influence, (training rows,)."""

    def score(analyzer: Analyzer, rows: TensorDataset) -> Tensor:
        analyzer.compute_self_scores(
            "scores",
            "factors",
            train_dataset=rows,
            per_device_train_batch_size=BATCH,
            score_args=ScoreArguments(damping_factor=damping),
        )
        return analyzer.load_self_scores("scores")[SCORES]  # type: ignore[index]

    return _with_factors(training, "ekfac", 0, score).numpy()


def _with_factors(
    training: Training, strategy: str, seed: int, score: Callable[[Analyzer, TensorDataset], Tensor]
) -> Tensor:
    """Fit the factors in a folder of their own, then ask."""
    rows = TensorDataset(*training.data)
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = prepare_model(copy.deepcopy(training.module), Classification())
        quiet = {"disable_tqdm": True, "log_level": logging.ERROR}
        analyzer = Analyzer("peers", model, Classification(), cpu=True, output_dir=folder, **quiet)
        options = FactorArguments(strategy=strategy)
        analyzer.fit_all_factors("factors", rows, per_device_batch_size=BATCH, factor_args=options)
        return score(analyzer, rows)


def _own_default(training: Training, reference: Sequence[Tensor], damping: float | None) -> Array:
    return between(training, reference, OWN_DEFAULT)


def _kfac(training: Training, reference: Sequence[Tensor], damping: float | None) -> Array:
    return between(training, reference, damping, "kfac")


METHODS = (
    Method("kronfluence", "kronfluence EK-FAC", between),
    Method("kronfluence", "kronfluence EK-FAC, damping 1e-8", _own_default, damped=False),
    Method("kronfluence", "kronfluence K-FAC", _kfac),
)
