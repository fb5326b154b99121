"""Brings rows that lie elsewhere, at URLs or in a database, into files of the work folder, where they are read."""

from culpa.tasks.fetching.brought import Brought as Brought
from culpa.tasks.fetching.fetch import fetch as fetch

__all__ = ["Brought", "fetch"]
