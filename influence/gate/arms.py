"""What is trained on what: all rows, the cleaned ones after each round, and a draw at random beside each of them.

Every training leaves out another tenth of the rows, the same one in all arms, so that no effect hangs on a few rows of
the training. People's decisions hold in all arms but that of all rows. Random drops take as many rows of each class as
the rule does, from the rows that people did not drop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from culpa.influence.folds import assign_folds
from culpa.influence.gate.judge import Judge
from culpa.influence.gate.trial import Trial
from culpa.influence.rows import Rows

__all__ = ["Arms", "train_arms"]

LEFT_OUT = 10  # one of so many rows is not trained on
Array = NDArray[np.float64]
Told = Callable[[float], None]


@dataclass(frozen=True)
class Arms:
    """What the models of each arm say of the choosing and then the judging rows."""

    everything: Array  # (seeds, reference rows, outputs)
    cleaned: Array  # (shares, seeds, reference rows, outputs)
    random: Array  # the same


def train_arms(trial: Trial, judge: Judge, shares: Sequence[float], *, seeds: int, seed: int, told: Told) -> Arms:
    """Train the judge on every arm for every seed; `shares` of the rule's removals."""
    reference = _together(trial.choosing, trial.judging)
    fold = assign_folds(trial.rows, max(LEFT_OUT, seeds))
    done, steps = 0, seeds * (1 + 2 * len(shares))

    known: dict[tuple[bytes, bytes, int], Array] = {}

    def outcomes(rows: Rows, keep: NDArray[np.bool_], number: int) -> Array:
        nonlocal done
        told(done / steps)
        done += 1
        key = keep.tobytes(), rows.labels.tobytes(), number
        if key not in known:  # without people's decisions, no removal is all rows
            known[key] = judge.outcomes(rows, keep & (fold != number), reference, seed=seed + number)
        return known[key]

    def arm(rows: Rows, keeps: Callable[[int], NDArray[np.bool_]]) -> Array:
        return np.stack([outcomes(rows, keeps(number), number) for number in range(seeds)])

    every, decided = trial.everybody(), trial.cleaned(0.0)
    stays = [trial.cleaned(share) for share in shares]
    return Arms(
        everything=arm(trial.rows, lambda number: every),
        cleaned=np.stack([arm(trial.relabelled(), partial(_same, keep)) for keep in stays]),
        random=np.stack([arm(trial.relabelled(), partial(_drawn, trial.rows, keep, decided, seed)) for keep in stays]),
    )


def _same(keep: NDArray[np.bool_], number: int) -> NDArray[np.bool_]:
    return keep


def _together(one: Rows, other: Rows) -> Rows:
    """Both halves as one set, the first before the second."""
    tokens = None if one.tokens is None or other.tokens is None else np.concatenate([one.tokens, other.tokens])
    return Rows(
        np.concatenate([one.features, other.features]),
        np.concatenate([one.labels, other.labels]),
        one.classes,
        np.arange(len(one) + len(other)),
        tokens,
        one.vocabulary,
    )


def _drawn(rows: Rows, keep: NDArray[np.bool_], every: NDArray[np.bool_], seed: int, number: int) -> NDArray[np.bool_]:
    """A mask of `every` row but as many of each class as `keep` lacks, at random."""
    classes = rows.labels.astype(np.int64) if rows.classes else np.zeros(len(rows), np.int64)
    gone = np.bincount(classes[every & ~keep], minlength=int(classes.max()) + 1)
    order = np.random.default_rng((seed, number)).permutation(np.flatnonzero(every))
    order = order[np.argsort(classes[order], kind="stable")]
    counts = np.bincount(classes[order], minlength=len(gone))
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    drawn = every.copy()
    drawn[order[place < gone[classes[order]]]] = False
    return drawn
