"""One data set to try a cleaning on: its rows, what the rule would drop and in which order, and who judges.

With trusted rows there is one trial: all rows, judged by the two halves of the trusted ones. Without, parts of the rows
take turns to judge the others, which are flagged by themselves alone, so that no judge has been looked at here either.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.rows import Rows

__all__ = ["Trial"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Rows, removals and reference rows."""

    rows: Rows  # with the labels as they were given
    order: NDArray[np.int64]  # positions that the rule may drop and nobody decided on, the surest first
    decided: NDArray[np.bool_]  # (rows,) dropped by people
    labels: NDArray[Any]  # (rows,) the labels with people's relabels
    choosing: Rows  # reference rows that choose how far to go
    judging: Rows  # reference rows that judge the result
    doubted: NDArray[np.bool_]  # (judging rows,) whose own label another view contradicts; (0,) where all are trusted
    absent: NDArray[np.bool_]  # (rows,) reference rows themselves: no model may learn from its judges

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if len(self.decided) != len(self.rows) or len(self.labels) != len(self.rows):
            raise ValueError(
                f"{len(self.decided)} decisions and {len(self.labels)} labels came for {len(self.rows)} rows: "
                "needed one each; cut all by the same index"
            )
        if self.decided[self.order].any():
            raise ValueError("the order of removal holds rows that people decided on: leave these out of it")

    def cleaned(self, share: float) -> NDArray[np.bool_]:
        """Who stays when so much of the rule's removals is done, people's being done: (rows,)."""
        keep = ~self.decided & ~self.absent
        keep[self.order[: self.removed(share)]] = False
        return keep

    def removed(self, share: float) -> int:
        """How many rows the rule removes then."""
        return round(share * len(self.order))

    def everybody(self) -> NDArray[np.bool_]:
        """Who takes part before any cleaning: (rows,)."""
        return ~self.absent

    def sampled(self, most: int) -> "Trial":
        """The same on about so many rows; what was drawn at random before is counted off."""
        step = -(-len(self.rows) // most)
        chosen = np.arange(0, len(self.rows), step)
        return replace(
            self,
            rows=self.rows.take(chosen),
            order=self.order[self.order % step == 0] // step,
            **{name: getattr(self, name)[chosen] for name in ("decided", "labels", "absent")},
        )

    def relabelled(self) -> Rows:
        """The rows with people's labels."""
        return replace(self.rows, labels=self.labels)
