"""What a whole group of rows does, such as all rows of one source: leave it out, and train again.

Effects of single rows do not add up over large groups, so the sum of their influences is a first look and this is the
answer: the main proxy is fitted without each group in turn, and judged on the reference rows, which ride along as rows
that take no part in the training. Positive helps: without the group the mean reference loss rises by so much.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from culpa.influence.proxies import fit_proxy
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
    both, kept = _riding(rows, reference), trained.keep
    before = _loss(trained, both, kept, len(reference))
    return np.array([_without(trained, both, kept & ~group, rows, len(reference)) - before for group in members])


def _riding(rows: Rows, reference: Rows) -> Rows:
    """The rows, and after them the reference rows as strangers to every group of duplicates."""
    tokens = None
    if rows.tokens is not None and reference.tokens is not None:
        tokens = np.concatenate([rows.tokens, reference.tokens])
    return replace(
        rows,
        features=np.concatenate([rows.features, reference.features]),
        labels=np.concatenate([rows.labels, reference.labels]),
        groups=np.concatenate([rows.groups, int(rows.groups.max()) + 1 + np.arange(len(reference))]),
        tokens=tokens,
    )


def _without(trained: Trained, both: Rows, keep: NDArray[np.bool_], rows: Rows, count: int) -> float:
    seen = np.unique(rows.labels[trained.keep]) if rows.classes else np.zeros(1)
    left = np.unique(rows.labels[keep]) if rows.classes else np.zeros(int(keep.any()))
    return _loss(trained, both, keep, count) if len(left) == len(seen) else float("nan")


def _loss(trained: Trained, both: Rows, keep: NDArray[np.bool_], count: int) -> float:
    """Mean loss of the reference rows when the main proxy is fitted on the kept rows alone."""
    riding = np.concatenate([keep, np.zeros(count, np.bool_)])
    name = main_proxy(trained)
    fitted = fit_proxy(name, both, riding, seed=trained.seed, before=trained.fitted[name])
    outcomes = fitted.scores().without[-count:]
    labels = both.labels[-count:]
    if both.classes:
        return float(-np.log(outcomes[np.arange(count), labels]).mean())
    return float(((outcomes[:, 0] - labels) ** 2).mean() / 2)
