"""A self-test of influence: copies of reference rows in the training must help, and harm under a wrong label.

Up to fifty reference rows are copied into the training twice, once as they are and once with another label, and the
main proxy is fitted again. What each copy does to its own original is known beforehand; a proxy, a method or a sign
that is broken shows here, whatever the data. For numbers the wrong copy lies beyond the prediction, on the side away
from the truth: on the other side it would pull the prediction towards the truth, and help.
Source: the duplicate test of Koh & Liang 2017 turned into an assertion.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.groups import outcomes_without
from culpa.influence.held_out import HeldOut, hold_out
from culpa.influence.proxies import fit_proxy
from culpa.influence.riding import with_riders
from culpa.influence.rows import Rows
from culpa.influence.scoring import main_proxy
from culpa.influence.training import Trained

__all__ = ["PASSES", "SelfTest", "run_self_test"]

MOST_COPIED = 50
MOST_ROWS = 10_000
PASSES = 0.9  # of the copies must come out as they should
SPREADS = 2.0  # standard deviations of the targets by which a wrong number misses


@dataclass(frozen=True)
class SelfTest:
    """How many copies came out as they should."""

    reference_rows: int  # copied
    right_helpful: float  # share of the right copies with positive influence on their original
    flipped_harmful: float  # share of the wrong ones with negative influence

    @property
    def passed(self) -> bool:
        """Whether both shares are .9 or more."""
        return min(self.right_helpful, self.flipped_harmful) >= PASSES

    def report(self) -> dict[str, Any]:
        """What a run records."""
        return {**vars(self), "passed": self.passed}


def run_self_test(
    trained: Trained, rows: Rows, *, reference: Rows | None, l2: float | None = None, seed: int
) -> SelfTest:
    """Copy reference rows into the training of the main proxy of a run, and ask what the copies do.

    `l2`: see `hold_out`. Errors: TooFew below 200 rows or 20 reference rows.
    """
    beside = hold_out(trained, rows, reference, l2=l2, most=MOST_ROWS)
    chance = np.random.default_rng(seed)
    count = min(MOST_COPIED, len(beside.reference))
    originals = beside.reference.take(np.sort(chance.choice(len(beside.reference), count, replace=False)))
    flipped = replace(originals, labels=_other_labels(beside, originals, chance))
    own = _influence_on_originals(beside, originals, flipped)
    return SelfTest(count, float((own[:count] > 0).mean()), float((own[count:] < 0).mean()))


def _influence_on_originals(beside: HeldOut, originals: Rows, flipped: Rows) -> NDArray[np.float64]:
    """What each right copy, then each wrong one, does to its original: (2 originals,)."""
    name, count = main_proxy(beside.trained), len(originals)
    both = with_riders(with_riders(beside.rows, originals), flipped)
    both.groups[-count:] = both.groups[-2 * count : -count]  # two copies of one row are duplicates
    keep = np.concatenate([beside.trained.keep, np.ones(2 * count, np.bool_)])
    before = beside.trained.fitted[name]
    fitted = fit_proxy(name, both, keep, seed=beside.trained.seed, before=before)
    copies = len(beside.rows) + np.arange(2 * count)
    between = fitted.influence_between(copies, originals)
    return between[np.arange(2 * count), np.tile(np.arange(count), 2)]


def _other_labels(beside: HeldOut, originals: Rows, chance: np.random.Generator) -> NDArray[Any]:
    """Another class, drawn evenly; a number beyond the prediction, away from the truth."""
    if originals.classes:
        step = chance.integers(1, originals.classes, len(originals))
        return np.asarray((originals.labels + step) % originals.classes, originals.labels.dtype)
    expected = outcomes_without(beside.trained, beside.rows, beside.trained.keep, originals)[:, 0]
    beyond = np.where(expected >= originals.labels, 1.0, -1.0) * SPREADS * float(beside.rows.labels.std())
    return np.asarray(expected + beyond, originals.labels.dtype)
