"""What is read once and holds until another run is flagged: the queue, how its rows stand, their neighbourhood."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from culpa.tasks.queue.entries import Queue, read_queue
from culpa.tasks.queue.likeness import Likeness, read_likeness
from culpa.tasks.queue.rows import RowView, read_roles
from culpa.tasks.queue.shelf import Shelf
from culpa.tasks.queue.standings import Standings, read_standings
from culpa.tasks.sql import statement

__all__ = ["Loaded", "load", "stamp"]


@dataclass
class Loaded:
    """The queue as it is while no other run is flagged."""

    queue: Queue
    standings: Standings
    likeness: Mapping[str, Likeness | None]  # by run
    flagged_at: str  # of the run flagged last
    since: int  # the last decision that the standings know of
    shelf: Shelf = field(default_factory=Shelf)

    def known(self, entry: int) -> RowView | None:
        """A row that lies on the shelf as it is now."""
        return self.shelf.get(self.queue.row_ids[entry], int(self.standings.last_id[entry]))


def load(connection: duckdb.DuckDBPyConnection, dataset: str, source_column: str | None) -> Loaded:
    """Read a data set's queue from an open store."""
    queue = read_queue(connection, dataset, source_column)
    standings = Standings.at_first(queue.columns["decided"])
    flagged_at, since = stamp(connection, dataset)
    read_standings(connection, dataset, queue.place, standings, 0)
    likeness: dict[str, Likeness | None] = {}
    for run in queue.runs.values():  # a batch is compared with the full run before it, whose rows are many
        shared = likeness.get(run.onto or "")
        likeness[run.run_id] = shared or read_likeness(connection, run, read_roles(connection, run))
    return Loaded(queue, standings, likeness, flagged_at, since)


def stamp(connection: duckdb.DuckDBPyConnection, dataset: str) -> tuple[str, int]:
    """When a run of the data set was flagged last, and the number of the last decision on anything: cheap to ask."""
    flagged_at, last_id = connection.execute(statement("queue/stamp"), {"dataset": dataset}).fetchall()[0]
    return str(flagged_at), int(last_id)
