"""Where reviewers sit: the queue in memory, kept up to date, the next rows read ahead, decisions written.

The store is opened for one short read or one short transaction at a time. While somebody else holds it, what has been
read already is still shown, and `busy` says who does.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from culpa.tasks.errors import BadInput, Busy, CulpaError
from culpa.tasks.queue.entries import Filter, Queue
from culpa.tasks.queue.loaded import Loaded, load, stamp
from culpa.tasks.queue.progress import Progress, measure
from culpa.tasks.queue.rows import RowView, read_rows
from culpa.tasks.queue.standings import read_standings
from culpa.tasks.queue.undoing import restore
from culpa.tasks.reviews.decide import Decided, Overtaken, Seen, decide
from culpa.tasks.runs import records
from culpa.tasks.sql import statement
from culpa.tasks.store import connect
from culpa.tasks.views import use_current_views

__all__ = ["Desk", "Gone", "Shown"]

FRESH_SECONDS = 1.0  # the store is asked whether it changed at most so often
WAIT_SECONDS = 2.0  # a person waits no longer before the page says why
AHEAD = 12  # rows read together
DECISIONS = "current_decisions"  # the last view that reading a row, or decisions, needs


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
        """Read the queue. Errors: BadInput where no run of the data set is flagged, or no run has such a column."""
        self.store = Path(store)
        self.busy: str | None = None  # who held the store when it was last asked in vain
        self._lock = threading.RLock()  # one of us at the store at a time: our own reads would keep our writes out
        self._source_column = source_column
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self.dataset = self._known_dataset(dataset)
        self._now, self._fresh_until = self._load(), time.monotonic() + FRESH_SECONDS

    def close(self) -> None:
        """Stop reading ahead."""
        self._ahead.shutdown(wait=True, cancel_futures=True)

    @property
    def queue(self) -> Queue:
        """The entries as last read."""
        return self._now.queue

    @property
    def stamp(self) -> str:
        """Another text whenever the queue or its decisions have changed."""
        now = self._now
        return f"{now.flagged_at}-{now.since}-{int(now.standings.last_id.sum())}"

    def progress(self) -> Progress:
        """How far the reviewers are."""
        self.refresh()
        now = self._now
        return measure(now.queue, now.standings)

    def last_id(self, row_id: str) -> int:
        """The number of the last decision on a row; 0: none."""
        now = self._now
        return int(now.standings.last_id[self._entry(now, row_id)])

    def refresh(self) -> None:
        """Take in what others did, unless that was done a moment ago, or the store is busy now."""
        if time.monotonic() < self._fresh_until or not self._lock.acquire(blocking=False):
            return
        try:
            with self._reading(0.0) as connection:
                flagged_at, last_id = stamp(connection, self.dataset)
                if flagged_at == self._now.flagged_at and last_id > self._now.since:
                    self._take_in(connection, last_id)
            if flagged_at != self._now.flagged_at:
                self._now = self._load()
        except Busy:
            pass  # what is in memory still stands; `busy` says so
        finally:
            self._fresh_until = time.monotonic() + FRESH_SECONDS
            self._lock.release()

    def row(self, row_id: str, wanted: Filter) -> Shown:
        """A row by its name, as it is now. Errors: Gone."""
        self.refresh()
        now = self._now  # one and the same from here on: another thread may put a new queue in its place
        return self._shown(now, self._entry(now, row_id), _places(now, wanted))

    def step(self, wanted: Filter, row_id: str | None, step: int) -> Shown | None:
        """The next row that passes the filter after `row_id` (step 1), the one before it (-1), or the first (no row).

        None where there is no such row. What others did is taken in behind the person's back, to keep nobody waiting.
        """
        now = self._now
        places = _places(now, wanted)
        entry = now.queue.place.get(row_id, -1) if row_id is not None else -1
        if step > 0:
            at = int(np.searchsorted(places, entry, side="right"))
        else:
            at = int(np.searchsorted(places, entry, side="left")) - 1
        if not 0 <= at < len(places):
            return None
        shown = self._shown(now, int(places[at]), places)
        nearby = places[at : at + AHEAD] if step > 0 else places[max(0, at - AHEAD) : at + 1][::-1]
        self._ahead.submit(self._keep_ahead, [str(name) for name in now.queue.row_ids[nearby]])
        return shown

    def history(self, row_id: str) -> list[dict[str, Any]]:
        """What became of a row, run by run. Read when asked for: its view cannot look at many rows at once."""
        self._entry(self._now, row_id)
        with self._reading(WAIT_SECONDS) as connection:
            use_current_views(connection)
            return records(connection, statement("queue/history"), {"dataset": self.dataset, "row_id": row_id})

    def decide(
        self, row_id: str, decision: str, new_label: str | None, *, by: str, note: str | None, seen: Seen
    ) -> Decided:
        """Write one decision on a row as the person saw it.

        Errors: Overtaken if it is another by now; Busy; BadInput.
        """
        self._entry(self._now, row_id)
        with self._lock:
            try:
                done = decide(
                    self.store, [row_id], decision, new_label, by=by, note=note, dataset=self.dataset, seen=seen,
                    wait_seconds=WAIT_SECONDS,
                )  # fmt: skip
            except Overtaken:
                self._fresh_until = 0.0
                raise
            now = self._now  # may be another queue by now, in which the row stands elsewhere, or no more
            if (entry := now.queue.place.get(row_id)) is not None:  # until a refresh sees what it means beside others'
                now.standings.decided[entry], now.standings.unsettled[entry] = decision != "defer", decision == "defer"
                now.standings.last_id[entry] = done.last_id
        return done

    def undo(self, row_id: str, decision_id: int, *, by: str, seen: Seen) -> Decided:
        """Take a decision back by one more that says what was so before, see `restore`. Errors: also as `decide`."""
        past = self.row(row_id, Filter()).view.decisions
        said = restore([one for one in past if one["row_hash"] == seen.row_hash], decision_id, by)
        return self.decide(row_id, said.decision, said.new_label, by=by, note=said.note, seen=seen)

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

    def _load(self) -> Loaded:
        with self._reading(30.0) as connection:
            use_current_views(connection)
            return load(connection, self.dataset, self._source_column)

    def _take_in(self, connection: duckdb.DuckDBPyConnection, last_id: int) -> None:
        use_current_views(connection, up_to=DECISIONS)
        now = self._now
        read_standings(connection, self.dataset, now.queue.place, now.standings, now.since)
        now.since = last_id

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

    def _entry(self, now: Loaded, row_id: str) -> int:
        try:
            return now.queue.place[row_id]
        except KeyError:
            raise Gone(f"row {row_id!r} is no longer in the queue of {self.dataset!r}") from None

    def _shown(self, now: Loaded, entry: int, places: NDArray[np.intp]) -> Shown:
        view, at = self._view(now, entry), int(np.searchsorted(places, entry))
        return Shown(
            view=view,
            last_id=max((one["decision_id"] for one in view.decisions), default=0),
            decided=bool(now.standings.decided[entry]),
            disputed=bool(now.standings.disputed[entry]),
            must_see=bool(now.queue.columns["rule_drops"][entry] or now.standings.unsettled[entry]),
            source=str(now.queue.sources[entry]),
            number=at + 1 if at < len(places) and places[at] == entry else 0,
            matching=len(places),
        )

    def _view(self, now: Loaded, entry: int) -> RowView:
        if now.known(entry) is None:
            self._read(now, [entry], WAIT_SECONDS)
        found = now.known(entry)
        if found is None:  # decided on in this very moment
            raise Gone(f"row {now.queue.row_ids[entry]!r} has just changed; look at it again")
        return found

    def _keep_ahead(self, row_ids: Sequence[str]) -> None:
        """In the background: take in what others did, and read the next rows once only half of them are left."""
        try:
            self.refresh()
            now = self._now
            entries = [now.queue.place[name] for name in row_ids if name in now.queue.place]
            missing = [entry for entry in entries if now.known(entry) is None]
            if len(missing) > len(entries) // 2:
                self._read(now, missing, 0.0)
        except CulpaError:
            return  # the row is read when it is asked for, and the person is told why it takes long

    def _read(self, now: Loaded, entries: Sequence[int], wait_seconds: float) -> None:
        by_run: dict[str, list[int]] = {}
        for entry in entries:
            by_run.setdefault(now.queue.columns["run_id"][entry], []).append(entry)
        with self._reading(wait_seconds) as connection:
            use_current_views(connection, up_to=DECISIONS)
            for run_id, group in by_run.items():
                names = [now.queue.row_ids[entry] for entry in group]
                views = read_rows(connection, now.queue.runs[run_id], names, now.likeness[run_id])
                for entry, name in zip(group, names, strict=True):
                    if (view := views.get(name)) is not None:
                        last = max((one["decision_id"] for one in view.decisions), default=0)
                        now.standings.last_id[entry] = last  # may be newer than what was taken in so far
                        now.shelf.put(name, last, view)


def _places(now: Loaded, wanted: Filter) -> NDArray[np.intp]:
    return np.flatnonzero(now.queue.matching(wanted, now.standings))
