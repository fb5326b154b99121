"""What a whole group of rows does, such as all rows of one source: leave it out, and train again.

Effects of single rows do not add up over large groups, so the sum of their influences is a first look and this is the
answer: the main proxy is fitted without each group in turn, and judged on the reference rows. Positive helps: without
the group the mean reference loss rises by so much.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from culpa.influence.proxies import fit_proxy, is_brought
from culpa.influence.proxy import Retrained, without
from culpa.influence.riding import riding, with_riders
from culpa.influence.rows import Rows
from culpa.influence.scoring import main_proxy
from culpa.influence.training import Trained

__all__ = ["leave_groups_out", "outcomes_without"]


def leave_groups_out(
    trained: Trained, rows: Rows, reference: Rows, members: Iterable[NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Rise of the mean reference loss without each group, (groups,), nats (regression: squared target units / 2).

    `members` are masks (rows,). A group that holds every row of a class, or all rows, cannot be left out: NaN.
    """
    before = _loss(trained, rows, trained.keep, reference)
    return np.array([_without(trained, rows, trained.keep & ~group, reference) - before for group in members])


def outcomes_without(trained: Trained, rows: Rows, keep: NDArray[np.bool_], reference: Rows) -> NDArray[np.float64]:
    """Outcomes of the reference rows by the main proxy fitted on `keep`, some of its rows: (reference rows, outputs).

    Where a proxy has no quicker way, the reference rows ride along as rows that take no part in the training.
    """
    name = main_proxy(trained)
    fitted = trained.fitted[name]
    if isinstance(fitted, Retrained):
        return fitted.predict_without(keep, reference)
    if is_brought(name):
        from culpa.influence.brought import outcomes_of_one  # the estimators' libraries, only where they are needed

        return outcomes_of_one(name, rows, keep, reference, seed=trained.seed)
    both, ridden = with_riders(rows, reference), riding(keep, len(reference))
    again = fit_proxy(name, both, ridden, seed=trained.seed, before=fitted)
    return without(again)[-len(reference) :]


def _without(trained: Trained, rows: Rows, keep: NDArray[np.bool_], reference: Rows) -> float:
    seen = np.unique(rows.labels[trained.keep]) if rows.classes else np.zeros(1)
    left = np.unique(rows.labels[keep]) if rows.classes else np.zeros(int(keep.any()))
    return _loss(trained, rows, keep, reference) if len(left) == len(seen) else float("nan")


def _loss(trained: Trained, rows: Rows, keep: NDArray[np.bool_], reference: Rows) -> float:
    """Mean loss of the reference rows when the main proxy is fitted on the kept rows alone."""
    outcomes = outcomes_without(trained, rows, keep, reference)
    if rows.classes:
        return float(-np.log(outcomes[np.arange(len(reference)), reference.labels]).mean())
    return float(((outcomes[:, 0] - reference.labels) ** 2).mean() / 2)
