"""Influence split by layers, for aggregation over layers and reference rows that lets each of them have its say.

influence(i, layer, v) = <g_i, H^-1 g_v> / n over the layer's parameters alone, positive helps

The layers add up to the whole influence. Under a curvature that goes layer by layer (identity, diagonal, K-FAC, EK-FAC,
DataInf) each part is also the influence of a model all of whose other layers are frozen. Layers differ in size by
orders of magnitude, so that a mean over them is that of the loudest; `aggregate.ranks` and `aggregate.votes` are not.
The tensor holds a number for each row, layer and reference row. Source: Vitel & Chhabra 2025, section 3.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.aggregate import AGGREGATIONS
from culpa.influence.attribution.attribution import BATCH
from culpa.influence.attribution.by_checkpoints import last_layer
from culpa.influence.attribution.by_curvature import influence_through
from culpa.influence.attribution.method import Choices
from culpa.influence.attribution.through_curvature import NetworkInfluence
from culpa.influence.gradients import Classification, capture, in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training

__all__ = ["ByLayer", "by_layer", "groups_of", "right"]


@dataclass(frozen=True)
class ByLayer:
    """Influence by layers, or by groups of them."""

    layers: tuple[str, ...]
    influence: Tensor  # (training rows, layers, reference rows), positive helps
    labels: Tensor  # (reference rows,)

    def grouped(self, groups: Mapping[str, Sequence[str]]) -> "ByLayer":
        """The same with each group's layers summed; layers in no group are left out."""
        places = {name: [self.layers.index(layer) for layer in group] for name, group in groups.items()}
        parts = [self.influence[:, where].sum(1) for where in places.values()]
        return ByLayer(tuple(places), torch.stack(parts, dim=1), self.labels)

    def aggregated(self, how: str) -> Tensor:
        """One score per training row, (training rows,), lowest is most harmful, by a name of `AGGREGATIONS`."""
        if how not in AGGREGATIONS:
            raise ValueError(f"no aggregation is called {how!r}: there are {', '.join(AGGREGATIONS)}")
        found = AGGREGATIONS[how](self.influence.double().cpu().numpy(), self.labels.cpu().numpy())
        return torch.as_tensor(found)


def by_layer(
    training: Training, reference: Batch, choices: Choices, *, curvature: str = "ekfac", only_right: bool = False
) -> ByLayer:
    """The influence of every training row in every layer on every reference row, or on those the model gets right.

    Each batch is captured once for all layers. `choices.layers` are those that are looked at.
    """
    if only_right:
        mask = right(training, reference)
        if not bool(mask.any()):
            raise ValueError("the model gets no reference row right, so none would be left: ask without only_right")
        reference = [part[mask] for part in reference]
    influence = influence_through(curvature, training, choices)
    parts = [torch.cat(list(_columns(influence, training, batch))) for batch in in_order(reference, BATCH)]
    names = capture(training.module, choices.losses(training), [part[:1] for part in reference], choices.layers).layers
    return ByLayer(tuple(names), torch.cat(parts, dim=2), reference[-1])


def _columns(influence: NetworkInfluence, training: Training, batch: Batch) -> Iterator[Tensor]:
    """Each training batch on one batch of reference rows, (rows, layers, reference rows)."""
    module, losses, layers = influence.module, influence.objective.losses, influence.layers
    asked = capture(module, influence.target or losses, batch, layers).layers
    solved = influence.curvature.solve({name: layer.written_out() for name, layer in asked.items()})
    for rows in training.batches():
        found = capture(module, losses, rows, layers).layers
        yield torch.stack([layer.along(solved[name]) for name, layer in found.items()], dim=1) / influence.rows


def right(training: Training, reference: Batch) -> Tensor:
    """Which reference rows the model gets right, (reference rows,). Errors: ValueError where it does not classify."""
    objective = training.recipe.objective
    if not isinstance(objective, Classification):
        raise ValueError(f"{objective} has no classes that could be right: ask without only_right")
    with torch.no_grad():
        scores = [objective.scores(training.module, batch) for batch in in_order(reference, BATCH)]
    return torch.cat(scores).argmax(1) == reference[-1]


def groups_of(module: nn.Module) -> dict[str, list[str]]:
    """The layers with parameters as "embedding", "hidden" and "last", those groups alone that there are."""
    last = last_layer(module)
    groups: dict[str, list[str]] = {"embedding": [], "hidden": [], "last": last}
    for name, part in module.named_modules():
        if list(part.parameters(recurse=False)) and name not in last:
            groups["embedding" if isinstance(part, nn.Embedding) else "hidden"].append(name)
    return {group: names for group, names in groups.items() if names}
