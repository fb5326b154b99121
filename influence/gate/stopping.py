"""How far to go: the least removal whose judged loss is within one standard error of the best.

Removing nothing takes part in the election, so that where removal shows no gain, nothing is removed. Where the rule was
proven on a whole run before, it is the most removal within one standard error instead: a batch is too small to prove
anything by itself, and what it shows may only speak against the rule. Source: Breiman et al. 1984, section 3.4.3, for
the rule of one standard error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curve", "choose_stop"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The mean loss on the choosing rows after each removal, nothing removed first, and where it stops."""

    loss: Array  # (removals,)
    effect: Array  # (removals,) fall of the loss against removing nothing
    error: Array  # (removals,) its standard error, over rows and seeds
    stop: int  # place of the chosen removal


def choose_stop(losses: Array, *, proven: bool = False) -> Curve:
    """The curve of losses (removals, seeds, rows), and where to stop on it; `proven` = the rule was proven before.

    >>> one = np.full((2, 50), 1.0) + np.linspace(0, 1, 50)
    >>> choose_stop(np.stack([one, one - 0.2, one - 0.2])).stop
    1
    >>> choose_stop(np.stack([one, one - 0.2, one - 0.2]), proven=True).stop
    2
    """
    gains = losses[:1] - losses
    effect = gains.mean(axis=(1, 2))
    best = int(np.argmax(effect))
    behind = losses - losses[best]
    allowed = effect >= effect[best] - standard_error(behind)
    stop = np.flatnonzero(allowed)[-1 if proven else 0]
    return Curve(losses.mean(axis=(1, 2)), effect, standard_error(gains), int(stop))


def standard_error(differences: Array) -> Array:
    """Of the mean of paired differences (..., seeds, rows), both drawn again: (...,)."""
    seeds, rows = differences.shape[-2:]
    over_rows = differences.mean(axis=-2).var(axis=-1, ddof=min(1, rows - 1)) / rows
    over_seeds = differences.mean(axis=-1).var(axis=-1, ddof=min(1, seeds - 1)) / seeds
    return np.asarray(np.sqrt(over_rows + over_seeds))
