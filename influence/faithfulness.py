"""Does influence foretell what really happens? Rows are left out, and the main proxy is trained again.

Predicted is the sum of the rows' influences, real the rise of the mean reference loss after training without them. The
removals are spread evenly over the sorted influences, the most harmful and the most helpful rows among them: single
rows where training again is exact (linear with the exact curvature, neighbors), for the others runs of neighbouring
rows, a fiftieth of all, because the chance in their training drowns what one row does. With many rows the linear
proxy's optimum is too coarse for one row of a mean of 100,000, so there runs of a five-thousandth are removed. The rows
about to be dropped are left out all together as well, where single influences need not add up.

Influence is called faithful unless retraining shows the opposite: the upper end of the 95 % interval of the rank
correlation (bootstrap over the removals) reaches .5. Few removals give wide intervals, and so the benefit of the doubt.
Predicted is in the proxy's own unit: nats for linear and networks, probability for forest and neighbors.
Source: Koh & Liang 2017, section 4.1; Koh et al. 2019 (groups); Basu et al. 2021 (fragility).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.agreement import LEAST_REMOVALS, Agreement, agreement
from culpa.influence.groups import leave_groups_out
from culpa.influence.held_out import HeldOut, TooFew, hold_out
from culpa.influence.linear import FittedLinear
from culpa.influence.proxy import Fitted
from culpa.influence.rows import Rows
from culpa.influence.scoring import main_proxy
from culpa.influence.training import Progress, Trained

__all__ = ["FAITHFUL", "Faithfulness", "Removal", "draw_runs", "measure_faithfulness"]

FAITHFUL = 0.5  # rank correlation that the interval must reach
REMOVALS = 20
EXACT = ("linear", "neighbors")  # training again leaves nothing to chance
SHARE_OF_CHANCE = 50  # a run of the other proxies is this part of the rows
SHARE_OF_ROUNDING = 5_000  # and of the exact ones: one row of more is less than the optimum's tolerance
MOST_ROWS = {"linear": None}  # the linear proxy starts from its weights; the others are trained on a sample
USUAL_MOST = 5_000


@dataclass(frozen=True)
class Removal:
    """Rows left out together, what was foretold, and what came."""

    kind: str  # row, subset, dropped
    rows: NDArray[np.int64]  # their positions
    predicted: float  # sum of their influences, in the proxy's unit
    real: float  # rise of the mean reference loss


@dataclass(frozen=True)
class Faithfulness:
    """How far influence and retraining agree."""

    proxy: str
    removals: list[Removal]
    dropped: Removal | None
    agreement: Agreement

    @property
    def faithful(self) -> bool:
        """Whether the interval of the rank correlation reaches FAITHFUL."""
        return self.agreement.spearman_interval[1] >= FAITHFUL

    def report(self) -> dict[str, Any]:
        """What a run records."""
        found, low_high = self.agreement, self.agreement.spearman_interval
        gone = self.dropped
        return {
            "proxy": self.proxy,
            "kind": self.removals[0].kind,
            "removals": len(self.removals),
            "rows_in_each": len(self.removals[0].rows),
            "spearman": found.spearman,
            "spearman_low": low_high[0],
            "spearman_high": low_high[1],
            "sign_agreement": found.same_sign,
            "sign_agreement_low": found.same_sign_interval[0],
            "sign_agreement_high": found.same_sign_interval[1],
            "dropped": gone and {"rows": len(gone.rows), "predicted": gone.predicted, "real": gone.real},
            "faithful": self.faithful,
        }


def measure_faithfulness(
    trained: Trained,
    rows: Rows,
    *,
    reference: Rows | None,
    dropped: NDArray[np.bool_],
    l2: float | None = None,
    progress: Progress | None = None,
) -> Faithfulness:
    """Leave out rows by score, and the rows `dropped` (rows,) together, of the main proxy of a run.

    `l2`: see `hold_out`. Errors: TooFew where so few rows can be left out that nothing follows.
    """
    name = main_proxy(trained)
    beside = hold_out(trained, rows, reference, l2=l2, most=MOST_ROWS.get(name, USUAL_MOST))
    influence = beside.trained.fitted[name].influence_on(beside.reference).removal
    removals = _removals(beside, influence, name, dropped[beside.place], progress or (lambda what, done: None))
    drawn = [one for one in removals if one.kind != "dropped"]
    if len(drawn) < LEAST_REMOVALS:
        raise TooFew(f"{len(drawn)} removals left every class some rows, needed {LEAST_REMOVALS} or more")
    predicted, real = (np.array([getattr(one, side) for one in drawn]) for side in ("predicted", "real"))
    gone = next((one for one in removals if one.kind == "dropped"), None)
    return Faithfulness(name, drawn, gone, agreement(predicted, real, seed=trained.seed))


def draw_runs(scores: NDArray[np.float64], removals: int, size: int) -> list[NDArray[np.intp]]:
    """Runs of `size` positions of neighbouring score, their starts spread evenly from the lowest to the highest.

    >>> [run.tolist() for run in draw_runs(np.array([3.0, 1.0, 2.0, 0.0]), 2, 2)]
    [[3, 1], [2, 0]]
    """
    order = np.argsort(scores, kind="stable")
    starts = np.linspace(0, len(order) - size, removals).round().astype(np.intp)
    return [order[start : start + size] for start in np.unique(starts)]


def _removals(
    beside: HeldOut, influence: NDArray[np.float64], name: str, dropped: NDArray[np.bool_], tell: Progress
) -> list[Removal]:
    """The removals, done in turn; those that would leave a class without rows are left away."""
    inside = np.flatnonzero(beside.trained.keep)
    exact = name in EXACT and not _is_approximate(beside.trained.fitted[name])
    size = max(1, len(inside) // (SHARE_OF_ROUNDING if exact else SHARE_OF_CHANCE))
    kind = "row" if size == 1 else "subset"
    drawn = [(kind, inside[run]) for run in draw_runs(influence[inside], REMOVALS, size)]
    gone = np.flatnonzero(dropped & beside.trained.keep)
    drawn += [("dropped", gone)] if len(gone) else []

    def masks() -> Iterator[NDArray[np.bool_]]:
        for number, (_, chosen) in enumerate(drawn):
            tell(f"leave rows out, {number + 1} of {len(drawn)}", number / len(drawn))
            mask = np.zeros(len(beside.rows), np.bool_)
            mask[chosen] = True
            yield mask

    real = leave_groups_out(beside.trained, beside.rows, beside.reference, masks())
    return [
        Removal(kind, beside.place[chosen], float(influence[chosen].sum()), float(rise))
        for (kind, chosen), rise in zip(drawn, real, strict=True)
        if not np.isnan(rise)
    ]


def _is_approximate(fitted: Fitted) -> bool:
    """Whether a linear proxy is too large for its exact curvature, and its optimum found up to three digits alone."""
    return isinstance(fitted, FittedLinear) and fitted.curvature.form != "exact"
