"""Where reviewers sit: the queue in memory, kept up to date, the next rows read ahead, decisions written.

The store is opened for one short read or one short transaction at a time. While somebody else holds it, what has been
read already is still shown, and `busy` says who does.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from culpa.tasks.decide import Decided, Overtaken, Seen, decide
from culpa.tasks.errors import BadInput, Busy, CulpaError
from culpa.tasks.queue.entries import Filter, Queue, read_queue
from culpa.tasks.queue.likeness import Likeness, read_likeness
from culpa.tasks.queue.progress import Progress, measure
from culpa.tasks.queue.rows import RowView, read_roles, read_rows
from culpa.tasks.queue.standings import Standings, read_standings
from culpa.tasks.runs import records
from culpa.tasks.sql import statement
from culpa.tasks.store import connect
from culpa.tasks.views import use_current_views

__all__ = ["Desk", "Gone", "Shown"]

FRESH_SECONDS = 1.0  # the store is asked whether it changed at most so often
WAIT_SECONDS = 2.0  # a person waits no longer before the page says why
AHEAD = 12  # rows read together
DECISIONS = "current_decisions"  # the last view that reading a row, or decisions, needs
KEPT = 400  # rows kept in memory


class Gone(CulpaError):
    """The row is not in the queue (any more)."""


@dataclass(frozen=True)
class Shown:
    """One row of the queue, with where it stands."""

    view: RowView
    last_id: int  # the last decision on it; 0: none
    decided: bool
    disputed: bool
    must_see: bool
    source: str
    number: int  # among the rows that pass the filter, from 1; 0: it does not pass
    matching: int  # rows that pass the filter


class Desk:
    """One data set's queue. Safe to use from several threads."""

    def __init__(self, store: Path, dataset: str | None = None, source_column: str | None = None) -> None:
        """Read the queue. Errors: BadInput where no run of the data set is flagged, or no such column is there."""
        self.store = Path(store)
        self.busy: str | None = None  # who held the store when it was last asked in vain
        self._lock = threading.RLock()
        self._source_column = source_column
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._rows: OrderedDict[tuple[str, int], RowView] = OrderedDict()
        self.dataset = self._known_dataset(dataset)
        self._load()

    def close(self) -> None:
        """Stop reading ahead."""
        self._ahead.shutdown(wait=True, cancel_futures=True)

    # What there is

    @property
    def queue(self) -> Queue:
        """The entries as last read."""
        return self._queue

    @property
    def stamp(self) -> str:
        """Another text whenever the queue or its decisions have changed."""
        return f"{self._flagged_at}-{self._since}-{int(self._standings.last_id.sum())}"

    def progress(self) -> Progress:
        """How far the reviewers are."""
        self.refresh()
        return measure(self._queue, self._standings)

    def last_id(self, row_id: str) -> int:
        """The number of the last decision on a row."""
        return int(self._standings.last_id[self._entry(row_id)])

    def refresh(self) -> None:
        """Take in what others did, unless that was done a moment ago, or the store is busy now."""
        if time.monotonic() < self._fresh_until or not self._lock.acquire(blocking=False):
            return
        try:
            with self._reading(0.0) as connection:
                flagged_at, last_id = self._stamp(connection)
                if flagged_at == self._flagged_at and last_id > self._since:
                    use_current_views(connection, up_to=DECISIONS)
                    read_standings(connection, self.dataset, self._queue.place, self._standings, self._since)
                    self._since = last_id
            if flagged_at != self._flagged_at:
                self._load()
        except Busy:
            pass  # what is in memory still stands; `busy` says so
        finally:
            self._fresh_until = time.monotonic() + FRESH_SECONDS
            self._lock.release()

    # Rows

    def row(self, row_id: str, wanted: Filter) -> Shown:
        """A row by its name. Errors: Gone."""
        self.refresh()
        return self._shown(self._entry(row_id), self._places(wanted))

    def step(self, wanted: Filter, row_id: str | None, step: int) -> Shown | None:
        """The next row that passes the filter after `row_id` (step 1), the one before it (-1), or the first (no row).

        None where there is no such row. What others did is taken in behind the person's back, to keep nobody waiting.
        """
        places = self._places(wanted)
        entry = self._queue.place.get(row_id, -1) if row_id is not None else -1
        if step > 0:
            at = int(np.searchsorted(places, entry, side="right"))
        else:
            at = int(np.searchsorted(places, entry, side="left")) - 1
        if not 0 <= at < len(places):
            return None
        shown = self._shown(int(places[at]), places)
        nearby = places[at : at + AHEAD] if step > 0 else places[max(0, at - AHEAD) : at + 1][::-1]
        self._ahead.submit(self._keep_ahead, nearby)
        return shown

    def history(self, row_id: str) -> list[dict[str, Any]]:
        """What became of a row, run by run. Read when asked for: its view cannot look at many rows at once."""
        self._entry(row_id)
        with self._reading(WAIT_SECONDS) as connection:
            use_current_views(connection)
            return records(connection, statement("queue/history"), {"dataset": self.dataset, "row_id": row_id})

    # Decisions

    def decide(
        self, row_id: str, decision: str, new_label: str | None, *, by: str, note: str | None, seen: Seen
    ) -> Decided:
        """Write one decision on a row as the person saw it.

        Errors: Overtaken if it is another by now; Busy; BadInput.
        """
        entry = self._entry(row_id)
        with self._lock:
            try:
                done = decide(
                    self.store, [row_id], decision, new_label, by=by, note=note, dataset=self.dataset, seen=seen,
                    wait_seconds=WAIT_SECONDS,
                )  # fmt: skip
            except Overtaken:
                self._fresh_until = 0.0
                raise
            self._standings.decided[entry] = decision != "defer"
            self._standings.last_id[entry] = done.last_id  # until the next refresh, which sees what it means for others
        return done

    def undo(self, row_id: str, decision_id: int, *, by: str, seen: Seen) -> Decided:
        """Take a decision back by a new one that says what was so before; where nothing was, by a defer.

        A deferred row is undecided: it is in the queue again and the rule stands, as before. Errors: as `decide`.
        """
        past = [one for one in self.row(row_id, Filter()).view.decisions if one["row_hash"] == seen.row_hash]
        mine = next((one for one in past if one["decision_id"] == decision_id), None)
        if mine is None or mine["reviewed_by"] != by:
            raise BadInput(f"{by} has no decision {decision_id} on row {row_id!r} to take back")
        if mine is not past[0]:
            raise Overtaken(f"{past[0]['reviewed_by']} decided on row {row_id!r} after you: decide on it anew instead")
        before = next((one for one in past if one["decision_id"] < decision_id), None)
        if before is None:
            return self.decide(row_id, "defer", None, by=by, note=f"took back {_named(mine)}", seen=seen)
        note = f"took back {_named(mine)}: again as {before['reviewed_by']} had it"
        return self.decide(row_id, before["decision"], before["new_label"], by=by, note=note, seen=seen)

    # Below

    def _known_dataset(self, dataset: str | None) -> str:
        with self._reading(30.0) as connection:
            use_current_views(connection, up_to=DECISIONS)
            found = connection.execute("SELECT dataset FROM latest_runs ORDER BY flagged_at DESC").fetchall()
        names = [name for (name,) in found]
        if not names:
            raise BadInput(f"nothing is flagged in {self.store} yet: `culpa flag` or `culpa clean` comes before review")
        if dataset is not None and dataset not in names:
            raise BadInput(f"there is no flagged data set {dataset!r} in {self.store}; there are: {', '.join(names)}")
        return dataset or str(names[0])

    def _load(self) -> None:
        with self._lock, self._reading(30.0) as connection:
            use_current_views(connection)
            queue = read_queue(connection, self.dataset, self._source_column)
            standings = Standings.at_first(queue.columns["decided"])
            self._flagged_at, self._since = self._stamp(connection)
            read_standings(connection, self.dataset, queue.place, standings, 0)
            self._likeness = {run.run_id: read_likeness(connection, run, read_roles(connection, run))
                              for run in queue.runs.values()}  # fmt: skip
            self._queue, self._standings = queue, standings
            self._rows.clear()
            self._fresh_until = time.monotonic() + FRESH_SECONDS

    def _stamp(self, connection: duckdb.DuckDBPyConnection) -> tuple[str, int]:
        flagged_at, last_id = connection.execute(statement("queue/stamp"), {"dataset": self.dataset}).fetchall()[0]
        return str(flagged_at), int(last_id)

    @contextmanager
    def _reading(self, wait_seconds: float) -> Iterator[duckdb.DuckDBPyConnection]:
        """The store for a moment; who needs this version's views makes them, which costs more than most queries."""
        with self._lock:
            try:
                with connect(self.store, read_only=True, wait_seconds=wait_seconds) as connection:
                    self.busy = None
                    yield connection
            except Busy as error:
                self.busy = str(error)
                raise

    def _entry(self, row_id: str) -> int:
        try:
            return self._queue.place[row_id]
        except KeyError:
            raise Gone(f"row {row_id!r} is no longer in the queue of {self.dataset!r}") from None

    def _places(self, wanted: Filter) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
        return np.flatnonzero(self._queue.matching(wanted, self._standings))

    def _shown(self, entry: int, places: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> Shown:
        at = int(np.searchsorted(places, entry))
        return Shown(
            view=self._view(entry),
            last_id=int(self._standings.last_id[entry]),
            decided=bool(self._standings.decided[entry]),
            disputed=bool(self._standings.disputed[entry]),
            must_see=bool(self._queue.columns["must_see"][entry]),
            source=str(self._queue.sources[entry]),
            number=at + 1 if at < len(places) and places[at] == entry else 0,
            matching=len(places),
        )

    def _view(self, entry: int) -> RowView:
        if (known := self._known(entry)) is not None:
            return known
        self._read([entry], WAIT_SECONDS)
        found = self._known(entry)
        if found is None:  # decided on, or flagged anew, in this very moment
            raise Gone(f"row {self._queue.row_ids[entry]!r} has just changed")
        return found

    def _known(self, entry: int) -> RowView | None:
        return self._rows.get((self._queue.row_ids[entry], int(self._standings.last_id[entry])))

    def _keep_ahead(self, entries: Sequence[int]) -> None:
        """In the background: take in what others did, and read the next rows once only half of them are left."""
        try:
            self.refresh()
            missing = [int(entry) for entry in entries if self._known(int(entry)) is None]
            if len(missing) > len(entries) // 2:
                self._read(missing, 0.0)
        except CulpaError:
            return  # the row is read when it is asked for, and the person is told why it takes long

    def _read(self, entries: Sequence[int], wait_seconds: float) -> None:
        with self._reading(wait_seconds) as connection:
            use_current_views(connection, up_to=DECISIONS)
            queue, standings = self._queue, self._standings
            by_run: dict[str, list[int]] = {}
            for entry in entries:
                by_run.setdefault(queue.columns["run_id"][entry], []).append(entry)
            for run_id, group in by_run.items():
                names = [queue.row_ids[entry] for entry in group]
                likeness: Likeness | None = self._likeness[run_id]
                views = read_rows(connection, queue.runs[run_id], names, likeness)
                for entry in group:
                    if (view := views.get(queue.row_ids[entry])) is not None:
                        last = max((one["decision_id"] for one in view.decisions), default=0)
                        standings.last_id[entry] = last  # may be newer than what we had taken in
                        self._keep(queue.row_ids[entry], last, view)

    def _keep(self, row_id: str, last_id: int, view: RowView) -> None:
        self._rows[row_id, last_id] = view
        while len(self._rows) > KEPT:
            self._rows.popitem(last=False)


def _named(decision: dict[str, object]) -> str:
    new = f" as {decision['new_label']}" if decision["new_label"] is not None else ""
    return f"{decision['decision']}{new}"
