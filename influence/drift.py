"""Does a batch differ from its data set? Its margins, how often its labels are wrong, and which are taken for which.

All three compare rows as they came with rows as they came, accepted and refused, under the same model:

* margin: how strongly the model prefers another class, before any noise model; the largest distance of the two
  distributions (Kolmogorov & Smirnov), of a tenth at least;
* wrong labels: their share, by a test of two proportions, half as much again at least;
* a confusion a -> b: rows labelled a that the model takes for b, by the binomial law, five rows and twice the usual
  share at least.

An alarm asks for a thousandth of chance over all tests of its kind, and for an effect that matters: with many rows
everything is significant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, kstwobign, norm

__all__ = ["Compared", "Drift", "Seen", "Usual", "find_drifts", "usual_of"]

CHANCE = 1e-3
LEAST_DISTANCE, LEAST_RISE, LEAST_TIMES, LEAST_ROWS = 0.1, 1.5, 2.0, 5
FEWEST = 30  # rows of a batch that anything is said of
QUANTILES = 1_001
SURE = 0.5  # probability of a wrong label from which a label is contradicted

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What rows got, (rows,) each."""

    margin: Array  # log of the likeliest other class over the given one; regression: studentised residual
    probability_wrong: Array
    given: NDArray[Any]  # class codes; regression: targets
    suggested: NDArray[Any]  # class codes; regression: expected targets

    def take(self, mine: NDArray[np.bool_]) -> "Seen":
        """Some of the rows."""
        return Seen(*(getattr(self, name)[mine] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Usual:
    """The same of a data set, in a size that does not grow with its rows."""

    rows: int
    quantiles: Array  # (QUANTILES,) of the margin
    wrong: float  # share of contradicted labels
    given: Array  # (classes,) rows of each label; empty for regression
    confused: Array  # (classes, classes) share of the rows labelled a that are taken for b; empty for regression

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as plain arrays; `Usual.of` reads them back."""
        counts = np.array([self.rows, self.wrong])
        names = ("quantiles", "given", "confused")
        return {"usual.counts": counts, **{f"usual.{name}": getattr(self, name) for name in names}}

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> "Usual":
        """What `arrays` gave."""
        rows, wrong = arrays["usual.counts"]
        kept = (arrays[f"usual.{name}"] for name in ("quantiles", "given", "confused"))
        quantiles, given, confused = kept
        return Usual(int(rows), quantiles, float(wrong), given, confused)


@dataclass(frozen=True)
class Compared:
    """A batch beside what is usual."""

    usual: Usual
    batch: Seen


@dataclass(frozen=True)
class Drift:
    """One thing that changed."""

    what: str  # margin, wrong labels, or the confusion of two classes
    pair: tuple[int, int] | None  # codes of the given and the likelier class, of a confusion
    rows: int  # rows of the batch that were compared
    expected: float  # median margin, or share of these rows, in the data set
    found: float  # and in the batch
    statistic: float
    p_value: float


def usual_of(seen: Seen, classes: int) -> Usual:
    """What is usual, from all rows as they came."""
    wrong = seen.probability_wrong >= SURE
    quantiles = np.quantile(seen.margin, np.linspace(0, 1, QUANTILES))
    given = np.bincount(seen.given, minlength=classes).astype(np.float64) if classes else np.empty(0)
    confused = _counts(seen, classes) / given.clip(1)[:, None] if classes else np.empty((0, 0))
    return Usual(len(wrong), quantiles, float(wrong.mean()), given, confused)


def find_drifts(usual: Usual, batch: Seen) -> list[Drift]:
    """Everything in which the batch differs; nothing is said of fewer than 30 rows."""
    rows = len(batch.margin)
    if rows < FEWEST:
        return []
    return [*_margin(usual, batch, rows), *_wrong_labels(usual, batch, rows), *_confusions(usual, batch)]


def _margin(usual: Usual, batch: Seen, rows: int) -> Sequence[Drift]:
    ordered = np.sort(batch.margin)
    levels = np.linspace(0, 1, QUANTILES)
    low, high = (np.searchsorted(usual.quantiles, ordered, side=side) / QUANTILES for side in ("left", "right"))
    place = np.arange(1, rows + 1) / rows
    distance = float(max((place - high).max(), (low - (place - 1 / rows)).max(), 0.0))
    effective = rows * usual.rows / (rows + usual.rows)
    p = float(kstwobign.sf(distance * np.sqrt(effective)))
    medians = float(np.interp(0.5, levels, usual.quantiles)), float(np.median(ordered))
    alarm = p < CHANCE and distance >= LEAST_DISTANCE
    return [Drift("margin", None, rows, *medians, distance, p)] if alarm else []


def _wrong_labels(usual: Usual, batch: Seen, rows: int) -> Sequence[Drift]:
    share = float((batch.probability_wrong >= SURE).mean())
    pooled = (share * rows + usual.wrong * usual.rows) / (rows + usual.rows)
    error = np.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / rows + 1 / usual.rows))
    z = (share - usual.wrong) / error
    p = float(norm.sf(z))
    alarm = p < CHANCE and share >= LEAST_RISE * usual.wrong and share * rows >= LEAST_ROWS
    return [Drift("wrong labels", None, rows, usual.wrong, share, float(z), p)] if alarm else []


def _confusions(usual: Usual, batch: Seen) -> Sequence[Drift]:
    classes = len(usual.given)
    if not classes:
        return []
    counts, given = _counts(batch, classes), np.bincount(batch.given, minlength=classes)
    rate = (usual.confused * usual.given[:, None] + 1.0) / (usual.given[:, None] + classes)  # none seen is not none
    p = binom.sf(counts - 1, given[:, None], rate)
    alarm = (p < CHANCE / max(classes * (classes - 1), 1)) & (counts >= LEAST_ROWS)
    alarm &= counts >= LEAST_TIMES * rate * given[:, None]
    return [
        Drift(
            "confusion",
            (int(a), int(b)),
            int(given[a]),
            float(usual.confused[a, b]),
            float(counts[a, b] / given[a]),
            float(counts[a, b]),
            float(p[a, b]),
        )
        for a, b in np.argwhere(alarm)
    ]


def _counts(seen: Seen, classes: int) -> Array:
    """Rows labelled a and taken for b, (classes, classes)."""
    wrong = seen.probability_wrong >= SURE
    pairs = seen.given[wrong] * classes + seen.suggested[wrong].astype(np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.float64)
