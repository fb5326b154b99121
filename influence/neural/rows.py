"""Labelled rows as a network takes them: tensors of features or tokens, labels last; targets brought to unit scale."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from culpa.influence.gradients.batches import Batch
from culpa.influence.network.recipe import Inputs
from culpa.influence.rows import Rows

__all__ = ["Scale", "batch_of", "scale_of"]


@dataclass(frozen=True)
class Scale:
    """Where a regression's targets lie: networks learn numbers near nought. Classes have the scale 1."""

    middle: float = 0.0
    spread: float = 1.0

    @property
    def loss(self) -> float:
        """What a loss on the unit scale is worth in the target's own units, squared."""
        return self.spread**2


def scale_of(rows: Rows) -> Scale:
    """Mean and standard deviation of the targets; nought and one for classes."""
    if rows.classes:
        return Scale()
    return Scale(float(rows.labels.mean()), float(rows.labels.std()) or 1.0)


def batch_of(rows: Rows, inputs: Inputs, scale: Scale) -> Batch:
    """Features or tokens, and labels. Errors: ValueError where rows have no tokens and the network reads them."""
    if inputs == "tokens" and rows.tokens is None:
        raise ValueError("the network reads tokens, and the rows have none: name a column of text, or take features")
    features = rows.features if inputs == "features" else rows.tokens
    return _tensor(features, np.float32 if inputs == "features" else np.int64), _labels(rows, scale)


def _labels(rows: Rows, scale: Scale) -> Tensor:
    if rows.classes:
        return _tensor(rows.labels, np.int64)
    return _tensor((rows.labels - scale.middle) / scale.spread, np.float32)


def _tensor(values: object, kind: type) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=kind))
