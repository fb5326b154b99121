"""Rows that have been read, kept for the next person who asks, the oldest forgotten first."""

import threading
from collections import OrderedDict

from culpa.tasks.queue.rows import RowView

__all__ = ["Shelf"]

KEPT = 400


class Shelf:
    """Rows by their name and their last decision's number: after another decision a row has to be read again."""

    def __init__(self) -> None:
        """Empty."""
        self._rows: OrderedDict[tuple[str, int], RowView] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, row_id: str, last_id: int) -> RowView | None:
        """The row as it was read after this decision; None: not yet."""
        with self._lock:
            return self._rows.get((row_id, last_id))

    def put(self, row_id: str, last_id: int, view: RowView) -> None:
        """Keep a row."""
        with self._lock:
            self._rows[row_id, last_id] = view
            while len(self._rows) > KEPT:
                self._rows.popitem(last=False)
