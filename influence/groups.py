"""What a whole group of rows does, such as all rows of one source: leave it out, and train again.

Effects of single rows do not add up over large groups, so the sum of their influences is a first look and this is the
answer: the main proxy is fitted without each group in turn, and judged on the reference rows, which ride along as rows
that take no part in the training. Positive helps: without the group the mean reference loss rises by so much.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from culpa.influence.proxies import fit_proxy
from culpa.influence.riding import riding, with_riders
from culpa.influence.rows import Rows
from culpa.influence.scoring import main_proxy
from culpa.influence.training import Trained

__all__ = ["leave_groups_out"]


def leave_groups_out(
    trained: Trained, rows: Rows, reference: Rows, members: Iterable[NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Rise of the mean reference loss without each group, (groups,), nats (regression: squared target units / 2).

    `members` are masks (rows,). A group that holds every row of a class, or all rows, cannot be left out: NaN.
    """
    both, kept = with_riders(rows, reference), trained.keep
    before = _loss(trained, both, kept, len(reference))
    return np.array([_without(trained, both, kept & ~group, rows, len(reference)) - before for group in members])


def _without(trained: Trained, both: Rows, keep: NDArray[np.bool_], rows: Rows, count: int) -> float:
    seen = np.unique(rows.labels[trained.keep]) if rows.classes else np.zeros(1)
    left = np.unique(rows.labels[keep]) if rows.classes else np.zeros(int(keep.any()))
    return _loss(trained, both, keep, count) if len(left) == len(seen) else float("nan")


def _loss(trained: Trained, both: Rows, keep: NDArray[np.bool_], count: int) -> float:
    """Mean loss of the reference rows when the main proxy is fitted on the kept rows alone."""
    name = main_proxy(trained)
    fitted = fit_proxy(name, both, riding(keep, count), seed=trained.seed, before=trained.fitted[name])
    outcomes = fitted.scores().without[-count:]
    labels = both.labels[-count:]
    if both.classes:
        return float(-np.log(outcomes[np.arange(count), labels]).mean())
    return float(((outcomes[:, 0] - labels) ** 2).mean() / 2)
