"""Multi-stage influence: which rows of a pretraining a fine-tuned network owes its reference loss to.

The reference gradient goes back through both trainings. Fine-tuning that is tied to its start by a pull a (a penalty
a/2 |parameters - start|^2) carries a shift of the start on as a (H_f + a)^-1, and pretraining row i shifts the start:
    influence(i, v) = <g_v, a (H_f + a)^-1 H_p^-1 g_i> / n_p, over the layers that both networks have, positive helps.
Source: Chen et al. 2020 (arXiv 2007.09081). A fine-tuning without a penalty is tied to its start by its shortness: of
a shift along a direction of curvature h its steps leave about exp(-t h), t the sum of the rates, for which a = 1 / t
stands in. The longer the fine-tuning, the less it owes, and the less this can tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.attribution.through_curvature import mean_gradient
from culpa.influence.curvature import CURVATURES, Curvature
from culpa.influence.gradients import Objective, Rowwise, capture, in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training
from culpa.influence.network.recipe import rate_at

__all__ = ["MultiStage", "Tethered", "fit_multi_stage"]

BATCH = 512  # reference rows whose gradients are written out at once


@dataclass(frozen=True)
class Tethered:
    """An objective with a penalty on leaving the start: pull / 2 |parameters - start|^2 on the mean loss."""

    objective: Objective
    start: nn.Module  # of the same layers; those it lacks, or has in another shape, are free
    pull: float

    def losses(self, module: nn.Module, batch: Batch) -> Tensor:
        """Each row's loss and the whole penalty, (rows,)."""
        start = dict(self.start.named_parameters())
        moves = [
            (parameter - start[name].detach()).square().sum()
            for name, parameter in module.named_parameters()
            if name in start and start[name].shape == parameter.shape
        ]
        return self.objective.losses(module, batch) + self.pull / 2 * torch.stack(moves).sum()

    def fisher(self, module: nn.Module, batch: Batch, chance: torch.Generator) -> Tensor:
        """That of the objective."""
        return self.objective.fisher(module, batch, chance)


@dataclass(frozen=True)
class MultiStage:
    """A pretraining, the fine-tuning that went on from it, and the curvatures of both."""

    pretraining: Training
    tuning: Training
    before: Curvature  # H_p
    after: Curvature  # H_f + a
    pull: float  # a
    shared: Sequence[str]  # layers that fine-tuning took over

    def between(self, reference: Batch) -> Tensor:
        """(pretraining rows, reference rows), positive helps."""
        parts = []
        for batch in in_order(reference, BATCH):
            gradients = self._reference(batch)
            parts.append(self._against({name: layer.written_out() for name, layer in gradients.items()}))
        return torch.cat(parts, dim=1)

    def on_mean(self, reference: Batch) -> Tensor:
        """(pretraining rows,), positive helps, on the mean reference loss."""
        return self._against(mean_gradient(self._reference(batch) for batch in in_order(reference, BATCH)))[:, 0]

    def _against(self, directions: Mapping[str, Tensor]) -> Tensor:
        """Products of every pretraining row's gradient with what the reference directions are at its end."""
        objective, parts = self.pretraining.recipe.objective, []
        solved = self.before.solve(self._carried(self.after.solve(directions)))
        for batch in self.pretraining.batches():
            found = capture(self.pretraining.module, objective.losses, batch).layers
            parts.append(torch.stack([layer.along(solved[name]) for name, layer in found.items()]).sum(0))
        return torch.cat(parts) / len(self.pretraining)

    def _carried(self, directions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """From the layers of the fine-tuned network to those of the pretrained; what was not taken over has no say."""
        rows = next(iter(directions.values()))[:, :0]
        return {
            name: self.pull * directions[name] if name in self.shared else rows.new_zeros(len(rows), size)
            for name, size in _sizes(self.pretraining.module).items()
        }

    def _reference(self, batch: Batch) -> Mapping[str, Rowwise]:
        return capture(self.tuning.module, _untethered(self.tuning).losses, batch).layers


def fit_multi_stage(
    pretraining: Training,
    tuning: Training,
    *,
    seed: int,
    curvature: str = "ekfac",
    damping: float | None = None,
    pull: float | None = None,
    shared: Sequence[str] | None = None,
) -> MultiStage:
    """Fit the curvatures of a pretraining and of the fine-tuning whose recipe starts from its network.

    `damping` is that of the pretraining, by default the curvature's own rule; `pull` by default that of a `Tethered`
    objective, else one over the sum of the rates; `shared` names the layers that were taken over, by default those of
    the same name and shape. Errors: ValueError where none is, and for adam without a pull.
    """
    pull = _pull(tuning) if pull is None else pull
    fit = CURVATURES[curvature]
    before = fit(pretraining.module, pretraining.recipe.objective, pretraining.batches(), seed=seed, damping=damping)
    damped = pull + tuning.recipe.l2
    after = fit(tuning.module, _untethered(tuning), tuning.batches(), seed=seed, damping=damped)
    return MultiStage(pretraining, tuning, before, after, pull, _shared(pretraining, tuning, shared))


def _untethered(tuning: Training) -> Objective:
    """What the rows are asked, without the penalty."""
    objective = tuning.recipe.objective
    return objective.objective if isinstance(objective, Tethered) else objective


def _pull(tuning: Training) -> float:
    recipe = tuning.recipe
    if isinstance(recipe.objective, Tethered):
        return recipe.objective.pull
    if recipe.optimizer != "sgd":
        raise ValueError(f"how far {recipe.optimizer} goes its rates do not tell: give the pull, or fine-tune with sgd")
    steps = recipe.epochs * -(-len(tuning) // recipe.batch_size)
    return (1 - recipe.momentum) / sum(rate_at(recipe, step, steps) for step in range(steps))


def _shared(pretraining: Training, tuning: Training, named: Sequence[str] | None) -> list[str]:
    before, after = _sizes(pretraining.module), _sizes(tuning.module)
    found = [name for name in after if before.get(name) == after[name] and (named is None or name in named)]
    if not found or set(named or ()) - set(found):
        raise ValueError(
            f"the fine-tuned network has the layers {', '.join(map(repr, after))}, the pretrained one "
            f"{', '.join(map(repr, before))}: needed some of the same name and shape that were taken over, and in "
            "shared no others"
        )
    return found


def _sizes(module: nn.Module) -> dict[str, int]:
    """Parameters of each layer that has some of its own."""
    own = {name: list(layer.parameters(recurse=False)) for name, layer in module.named_modules()}
    return {name: sum(one.numel() for one in parameters) for name, parameters in own.items() if parameters}
