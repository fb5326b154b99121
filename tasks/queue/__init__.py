"""The queue of flagged rows as people work through it: order, filters, one row with all that is known, decisions.

It is read into memory once and again when the store has changed; the store itself is only ever open for moments.
"""

from culpa.tasks.queue.asking import Answer, ask
from culpa.tasks.queue.desk import Desk, Gone, Shown
from culpa.tasks.queue.entries import Filter
from culpa.tasks.queue.progress import Progress

__all__ = ["Answer", "Desk", "Filter", "Gone", "Progress", "Shown", "ask"]
