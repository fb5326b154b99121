"""Influence on few parameters: how far a restriction to some layers orders rows as all layers do, on a sample of them.

Restricted to a layer, influence needs its gradients and its curvature alone; of the last layer both have a closed form,
g = (p - e_y) (x) h and H = mean (diag p - p p') (x) h h' + damping, h what the layer reads (`curvature.fit_exact`).
Whether that is enough depends on the network and on the rows, so that it is measured where it is used. Where all other
layers are frozen the restriction leaves nothing out. Source: Kounavis et al. 2023.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from culpa.influence.attribution.method import Choices
from culpa.influence.attribution.small_to_large import Estimate, transfers
from culpa.influence.attribution.table import METHODS, attribute
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training
from culpa.influence.network.steps import learning_layers

__all__ = ["FewParameters", "agreement_with_all_layers", "rank_agreement"]


@dataclass(frozen=True)
class FewParameters:
    """Rank correlations of the restricted scores with those of all layers: 1 orders the rows alike."""

    rows: int  # compared
    on_mean: Estimate  # of influence on the mean of the reference rows
    own: Estimate  # of self-influence


def agreement_with_all_layers(
    training: Training, method: str, choices: Choices, reference: Batch, *, sample: int, seed: int
) -> FewParameters:
    """Scores by `choices.layers` against scores by all layers that learn, of `sample` training rows drawn by chance.

    Methods that train again do so on all rows, the others see the sample alone. Errors: ValueError where no layers are
    named, and for methods that choose their own.
    """
    if choices.layers is None:
        raise ValueError("choices.layers is None, so nothing is restricted: name the layers that are to be compared")
    count = len(training)
    rows = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:sample].sort().values
    whole = method in METHODS and METHODS[method].retrains
    asked = training if whole else _of(training, rows)
    every = replace(choices, layers=learning_layers(training.module))
    some, all_layers = (attribute(asked, method, one) for one in (choices, every))
    kept = rows if whole else torch.arange(len(rows))
    return FewParameters(
        len(rows),
        rank_agreement(some.on_mean(reference)[kept], all_layers.on_mean(reference)[kept]),
        rank_agreement(some.own()[kept], all_layers.own()[kept]),
    )


def rank_agreement(some: Tensor, every: Tensor) -> Estimate:
    """Spearman correlation of two scores of the same rows, (rows,) each, with its interval."""
    return transfers(some, every, top=1).spearman


def _of(training: Training, rows: Tensor) -> Training:
    """The same training, asked about some of its rows alone."""
    weights = None if training.weights is None else training.weights[rows]
    return replace(training, data=[part[rows] for part in training.data], weights=weights)
