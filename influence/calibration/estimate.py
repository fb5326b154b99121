"""The share of wrong labels, and the precision at any budget, from planted labels and from the posterior.

Two voices that err in opposite directions. The posterior (sum of probability_wrong) counts only what exceeds the
proxies' own doubt; errors at the boundary, which the proxies learn, it takes for hard rows, and so it is the lower
voice. Its noise model supposes one wrong label in a hundred whatever the data say (`suspicion.noise`), so the lower
end counts only the part of it that lies beyond. The planted labels give the upper one: if wrong labels rank as
planted ones do, and a share q_p(x) of these lies among the most suspicious share x of the other rows, then

    share of wrong labels <= min over x of x / q_p(x),

because in the worst case every one of the most suspicious is wrong. Real errors rank lower than the easiest planted
ones, so only x with q_p(x) >= .8 count. The estimate is the middle of both voices, its interval reaches from the lower
end of the one to the upper end of the other (Clopper & Pearson 1934 for each count), and is wide where they disagree:
no data without trusted labels tells a wrong label at the boundary from a hard row.
Of the k most suspicious, likewise: the posterior's sum among them below, (share of wrong labels) q_p(k) / k above.
Source: best-bin mixture proportion estimation, Garg et al. 2021; its upper bound goes back to Blanchard et al. 2010.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.isotonic import isotonic_regression

from culpa.influence.suspicion.noise import LEAST_RATE

__all__ = [
    "Estimate",
    "budgets",
    "depth_of_recall",
    "evidenced",
    "precision_at_budgets",
    "precision_of_flagged",
    "share",
    "wrong_labels",
]

LEAST_RECALL = 0.8  # of the planted labels, above the depth at which the others are counted
TAIL = 0.025

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Estimate":
        """The same in another unit."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


def share(count: float, total: float) -> Estimate:
    """`count` of `total` as a share, with Clopper and Pearson's interval; 0 to 1 where there are none.

    >>> found = share(10, 10)
    >>> found.value, round(found.low, 2), found.high
    (1.0, 0.69, 1.0)
    """
    if total <= 0:
        return Estimate(float("nan"), 0.0, 1.0)
    low = 0.0 if count <= 0 else float(beta.ppf(TAIL, count, total - count + 1))
    high = 1.0 if count >= total else float(beta.ppf(1 - TAIL, count + 1, total - count))
    return Estimate(count / total, low, high)


def wrong_labels(depths: Array, scored: int, probability_wrong: Array) -> Estimate:
    """Number of wrong labels among all rows.

    `depths` (planted,) of all repeats, each among about `scored` rows; `probability_wrong` (rows,) of the run itself.
    """
    rows, summed = len(probability_wrong), float(probability_wrong.sum())
    below, above = share(summed, rows), depth_of_recall(depths, scored)
    value = (below.value + max(above.value, below.value)) / 2
    low = share(summed * evidenced(probability_wrong), rows).low
    high = max(above.high, below.high)
    return Estimate(value * rows, float(np.floor(low * rows)), float(np.ceil(high * rows)))


def evidenced(probability_wrong: Array) -> float:
    """Part of the posterior's sum beyond what its noise model supposes without any evidence, 0 to 1."""
    return float(max(0.0, 1 - LEAST_RATE / max(float(probability_wrong.mean()), 1e-12)))


def depth_of_recall(depths: Array, scored: int) -> Estimate:
    """min over x of x / q_p(x), the upper voice as a share of the rows; its interval adds both counts' errors."""
    reached = np.sort(depths)
    least = int(np.ceil(LEAST_RECALL * len(reached)))
    found = [
        (x / (count / len(reached)), share(x * scored, scored).high / share(count, len(reached)).low)
        for count, x in list(enumerate(reached, start=1))[least - 1 :]
    ]
    value, high = (min(one) for one in zip(*found, strict=True))
    return Estimate(min(float(value), 1.0), 0.0, min(float(high), 1.0))


def precision_of_flagged(
    wrong: Estimate, recall: Estimate, expected_wrong: float, flagged: int, evidence: float
) -> Estimate:
    """Share of the flagged rows that is wrong.

    `wrong` labels in all, `recall` of planted ones among the flagged, `expected_wrong` the posterior's sum over them,
    of which the part `evidence` is beyond doubt (`evidenced`).
    """
    below, above = share(expected_wrong, flagged), min(wrong.value * recall.value / flagged, 1.0)
    low = share(expected_wrong * evidence, flagged).low
    high = max(min(wrong.high * recall.high / flagged, 1.0), below.high)
    return Estimate((below.value + max(above, below.value)) / 2, low, high)


def budgets(rows: int, flagged: int) -> list[int]:
    """1, 2, 5, 10, ... up to the rows there are, these, and the number of the flagged ones.

    >>> budgets(30, 7)
    [1, 2, 5, 7, 10, 20, 30]
    """
    round_ones = [digit * 10**power for power in range(len(str(rows))) for digit in (1, 2, 5)]
    return sorted({one for one in [*round_ones, flagged, rows] if 1 <= one <= rows})


def precision_at_budgets(wrong: Estimate, depths: Array, probability_wrong: Array, most: list[int]) -> list[Estimate]:
    """Precision among the k most suspicious for each budget k, falling with it.

    `probability_wrong` (rows,) comes in the order of falling suspicion.
    """
    rows, summed = len(probability_wrong), np.cumsum(probability_wrong)
    evidence, found = evidenced(probability_wrong), []
    for budget in most:
        recall = share(float((depths <= budget / rows).sum()), len(depths))
        found.append(precision_of_flagged(wrong, recall, float(min(summed[budget - 1], budget)), budget, evidence))
    sides = [_falling([getattr(one, side) for one in found], most) for side in ("value", "low", "high")]
    return [Estimate(*map(float, one)) for one in zip(*sides, strict=True)]


def _falling(values: list[float], weights: list[int]) -> Array:
    """The nearest falling sequence: the review of more rows never raises the share of wrong ones."""
    fitted = isotonic_regression(np.array(values), sample_weight=np.array(weights, np.float64), increasing=False)
    return np.asarray(fitted, np.float64)
