"""How far the reviewers are, and what to expect of what is left."""

from dataclasses import dataclass

import numpy as np

from culpa.tasks.queue.entries import Queue
from culpa.tasks.queue.standings import Standings

__all__ = ["Progress", "measure"]


@dataclass(frozen=True)
class Progress:
    """Counts of entries."""

    total: int
    decided: int
    must_see_left: int
    disputed: int
    precision_left: float | None  # share of the undecided rows whose label is expected to be wrong


def measure(queue: Queue, standings: Standings) -> Progress:
    """The progress now. The precision is the mean of expected_wrong over the undecided rows that have one."""
    left = ~standings.decided
    expected = queue.columns["expected_wrong"]
    usual = np.where(np.isnan(expected), queue.columns["probability_wrong"], expected)[left]
    known = usual[~np.isnan(usual)]
    return Progress(
        total=len(queue),
        decided=int(standings.decided.sum()),
        must_see_left=int((queue.must_see(standings) & left).sum()),
        disputed=int(standings.disputed.sum()),
        precision_left=float(known.mean()) if len(known) else None,
    )
