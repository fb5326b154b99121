"""How the entries of the queue stand: decided or waiting, the last decision's number, whether people disagree."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from culpa.tasks.sql import statement

__all__ = ["Standings", "read_standings"]


@dataclass(frozen=True)
class Standings:
    """Arrays of one value per entry. They are replaced in place, one entry at a time, as decisions come in."""

    decided: NDArray[np.bool_]
    unsettled: NDArray[np.bool_]  # the last decision is deferred, stale or invalid
    disputed: NDArray[np.bool_]
    last_id: NDArray[np.int64]  # of the last decision on the row; 0: none

    @classmethod
    def at_first(cls, decided: NDArray[np.bool_]) -> "Standings":
        """As the queue has them; `read_standings` with since = 0 adds the rest."""
        none = np.zeros(len(decided), np.bool_)
        return cls(decided.copy(), none, none.copy(), np.zeros(len(decided), np.int64))

    def matching(self, state: str) -> NDArray[np.bool_]:
        """Which entries stand so; a new array."""
        if state == "undecided":
            return ~self.decided
        if state == "decided":
            return self.decided.copy()
        return self.disputed.copy() if state == "disputed" else np.ones(len(self.decided), np.bool_)


def read_standings(
    connection: duckdb.DuckDBPyConnection, dataset: str, place: Mapping[str, int], standings: Standings, since: int
) -> list[int]:
    """Bring the standings up to date with all decisions after number `since`; gives the entries that changed."""
    found = connection.execute(statement("queue/standings"), {"dataset": dataset, "since": since}).fetchall()
    changed = []
    for row_id, decided, unsettled, last_id, disputed in found:
        if (entry := place.get(row_id)) is not None:
            standings.decided[entry], standings.disputed[entry] = decided, disputed
            standings.unsettled[entry], standings.last_id[entry] = unsettled, last_id
            changed.append(entry)
    return changed
