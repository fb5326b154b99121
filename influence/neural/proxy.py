"""A torch network as a proxy: trained whole and by folds, so that each row is seen by a model that never saw it.

With the row: the network trained on all kept rows. Without it: the one trained without the row's fold. Influence comes
from a method of the table (`attribution`), asked about the network that was trained on all kept rows; a method that
trains again judges all rows, kept or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from culpa.influence.attribution import METHODS, Attribution, Choices
from culpa.influence.attribution.attribution import OverRows
from culpa.influence.attribution.few_parameters import agreement_with_all_layers
from culpa.influence.attribution.through_curvature import NetworkInfluence
from culpa.influence.attribution.tracin import TracIn
from culpa.influence.attribution.words import words_to_blame
from culpa.influence.folds import assign_folds, fold_count
from culpa.influence.gradients import Classification, Regression, Target, in_order, target_losses
from culpa.influence.gradients.batches import Batch
from culpa.influence.network.dynamics import Dynamics
from culpa.influence.network.training import BATCH, Training
from culpa.influence.neural.judged import judged
from culpa.influence.neural.kept import Kept
from culpa.influence.neural.pickled import pickled, unpickled
from culpa.influence.neural.reference import influence_of
from culpa.influence.neural.rows import Scale, batch_of, scale_of
from culpa.influence.neural.trainings import kept_training
from culpa.influence.proxy import ProxyScores, ReferenceInfluence
from culpa.influence.rows import Rows

__all__ = ["FittedNetwork", "Judge"]

LEAST_PROBABILITY = 1e-12
SAMPLE = 1_000  # rows on which a restriction to layers is compared with all of them


@dataclass(frozen=True, kw_only=True)
class Judge:
    """How a network's rows are judged."""

    method: str = "ekfac"  # a name of the table of methods
    layers: Sequence[str] | None = None
    damping: float | None = None


@dataclass(frozen=True)
class FittedNetwork:
    """A network trained on the kept rows, over all rows it was given."""

    name: str
    rows: Rows
    keep: NDArray[np.bool_]  # (rows,)
    judge: Judge
    scale: Scale
    training: Training  # on the kept rows
    kept: Kept  # where results lie
    dynamics: Dynamics | None = None  # how each row was learnt in the first training
    folds: dict[bytes, Training] = field(default_factory=dict)  # of the rows a fold leaves -> its training

    def scores(self) -> ProxyScores:
        """Score every row by the network, and by the one that was trained without its fold."""
        now, then = self._outcomes(self.training, self.rows), self.without()
        own = np.arange(len(self.rows)), self.rows.labels if self.rows.classes else 0
        own_influence = self._attribution.own().double().numpy().clip(0) * self.scale.loss
        return ProxyScores(then, now[own], then[own], self._everybody(own_influence))

    def influence_on(self, reference: Rows) -> ReferenceInfluence:
        """Influence of every row on the reference rows, nats (regression: squared target units / 2), positive helps."""
        others, seed = self._batch(reference), self.training.seed
        found = influence_of(self._attribution, self._by_probability, others, reference.classes, len(self.rows), seed)
        return found.scaled(self.scale.loss).over(self._everybody)

    def influence_between(self, index: NDArray[Any], reference: Rows) -> NDArray[np.float64]:
        """influence(i, v) of a few rows on each reference row: (rows in index, reference rows), positive helps."""
        found, others = self._attribution, self._batch(reference)
        if isinstance(found, OverRows):  # products of gradients are symmetric: the few rows are written out
            few = list(in_order(self._batch(self.rows.take(index)), BATCH))
            pairs = found.method.between(list(in_order(others, BATCH)), few).T
        else:
            pairs = found.between(others)[torch.as_tensor(index)]
        return np.asarray(pairs.double().numpy() * self.scale.loss)

    def again(self, rows: Rows, keep: NDArray[np.bool_]) -> "FittedNetwork":
        """The same proxy on other rows, or with others kept; a fold that was trained is not trained again."""
        known = self.folds.get(keep.tobytes()) if rows is self.rows else None
        if known is not None:
            return replace(self, keep=keep, training=known, folds={})
        scale = scale_of(rows)
        data = batch_of(rows.take(keep), self.training.recipe.inputs, scale)
        training = kept_training(self.kept, self.training.recipe, data, seed=self.training.seed)
        dynamics = self.dynamics if rows is self.rows else None
        return FittedNetwork(self.name, rows, keep, self.judge, scale, training, self.kept, dynamics)

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Probabilities of other rows, (rows, classes), or predictions, (rows, 1)."""
        return self._outcomes(self.training, rows)

    def predict_without(self, keep: NDArray[np.bool_], rows: Rows) -> NDArray[np.float64]:
        """The same by this very training with the other rows' losses left out: same start, same order of the rows."""
        gone = torch.from_numpy(np.flatnonzero(~keep[self.keep]))
        return self._outcomes(self.training.without(gone), rows)

    def learning(self) -> dict[str, NDArray[np.float64]]:
        """How each row was learnt, epoch by epoch, (rows,) each: the columns of `network.dynamics`."""
        return {} if self.dynamics is None else self.dynamics.columns()

    def words(
        self, index: NDArray[Any], reference: Rows, *, most: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Of each row the tokens that move the mean of the reference rows most, and by how much, by TracIn-WE.

        (rows in index, most) each; token -1 where a row has no more, and everywhere for a network without words.
        """
        if self.training.recipe.inputs != "tokens" or not _has_words(self.training):
            nothing = np.full((len(index), most), -1)
            return nothing, np.zeros(nothing.shape)
        rows, others = self._batch(self.rows.take(index)), self._batch(reference)
        choices = Choices(seed=self.training.seed)
        found = words_to_blame(self.training, rows, others, most=most, choices=choices)
        return found.tokens.numpy(), found.values.double().numpy() * self.scale.loss

    def agreement_with_all_layers(self, reference: Rows) -> dict[str, float] | None:
        """Spearman correlations of influence by the chosen layers with that by all, on a sample of the rows."""
        judge, seed = self.judge, self.training.seed
        if judge.layers is None:
            return None
        choices = Choices(seed=seed, layers=judge.layers, damping=judge.damping)
        few = {"sample": SAMPLE, "seed": seed}
        found = agreement_with_all_layers(self.training, judge.method, choices, self._batch(reference), **few)
        return {"rows": found.rows, "on_mean": found.on_mean.value, "own": found.own.value}

    def report(self) -> dict[str, object]:
        """What a run records of this proxy."""
        recipe = self.training.recipe
        return {
            "method": self.judge.method,
            "layers": list(self.judge.layers) if self.judge.layers else None,
            "parameters": sum(parameter.numel() for parameter in self.training.module.parameters()),
            "epochs": recipe.epochs,
            "optimizer": recipe.optimizer,
            "rate": recipe.rate,
            "batch_size": recipe.batch_size,
            "l2": recipe.l2,
            "without": f"{fold_count(len(self.rows))} folds",
        }

    def __getstate__(self) -> dict[str, object]:
        """What can be pickled: functions that make networks are written out by value, scores are left to be found."""
        kept = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("training", "folds")}
        return {**kept, "trainings": pickled((self.training, self.folds))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        training, folds = unpickled(state.pop("trainings"))
        vars(self).update(state, training=training, folds=folds)

    @cached_property
    def _attribution(self) -> Attribution:
        return self._attribute("loss")

    @cached_property
    def _by_probability(self) -> Attribution | None:
        """The same, asked what it does to P(own label); a curvature that was fitted serves again."""
        found = self._attribution
        if not self.rows.classes:
            return None
        if isinstance(found, OverRows) and isinstance(found.method, NetworkInfluence | TracIn):
            target = target_losses(self.training.recipe.objective, "probability")
            return replace(found, method=replace(found.method, target=target))
        return self._attribute("probability")

    def _attribute(self, target: Target) -> Attribution:
        """The method, asked about all rows."""
        judge, everybody = self.judge, self._batch(self.rows)
        choices = Choices(seed=self.training.seed, layers=judge.layers, damping=judge.damping, target=target)
        training = self.training
        if METHODS[judge.method].retrains:
            training = kept_training(self.kept, training.recipe, everybody, seed=training.seed)
        return judged(self.kept, training, judge.method, choices, everybody)

    def _everybody(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Scores of all rows where a method knows the kept ones alone: the others get nought."""
        if len(values) == len(self.rows):
            return values
        whole = np.zeros((len(self.rows), *values.shape[1:]))
        whole[self.keep] = values
        return whole

    def _batch(self, rows: Rows) -> Batch:
        return batch_of(rows, self.training.recipe.inputs, self.scale)

    def without(self) -> NDArray[np.float64]:
        """Each row's outcome by the network that was trained without its fold; fills `folds`."""
        outcomes = np.empty((len(self.rows), max(self.rows.classes, 1)))
        count = fold_count(len(self.rows))
        fold = assign_folds(self.rows, count)
        for number in range(count):
            turn = fold == number
            others = self.keep & ~turn
            part = self.training if not others.any() else self._fold(others)
            outcomes[turn] = self._outcomes(part, self.rows.take(turn))
        return outcomes

    def _fold(self, keep: NDArray[np.bool_]) -> Training:
        data = self._batch(self.rows.take(keep))
        found = kept_training(self.kept, self.training.recipe, data, seed=self.training.seed)
        return self.folds.setdefault(keep.tobytes(), found)

    def _outcomes(self, training: Training, rows: Rows) -> NDArray[np.float64]:
        """Probabilities strictly inside (0, 1), (rows, classes), or predictions, (rows, 1)."""
        found = torch.cat(_forward(training, self._batch(rows))).double().numpy()
        if not rows.classes:
            return np.asarray(found[:, None] * self.scale.spread + self.scale.middle)
        p = found.clip(LEAST_PROBABILITY)
        return np.asarray(p / p.sum(axis=1, keepdims=True))


def _forward(training: Training, data: Batch) -> list[Tensor]:
    objective = training.recipe.objective
    with torch.no_grad():
        batches = list(in_order(data, BATCH))
        if isinstance(objective, Classification):
            return [objective.scores(training.module, batch).softmax(1) for batch in batches]
        if isinstance(objective, Regression):
            return [objective.predictions(training.module, batch) for batch in batches]
    raise ValueError(f"the objective {objective} neither classifies nor predicts a number: take one of these two")


def _has_words(training: Training) -> bool:
    return any(isinstance(part, nn.Embedding) for part in training.module.modules())
