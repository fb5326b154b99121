"""Several files of reference rows, each with a name: the first scores, and the one called `judging` is the gate's."""

from collections.abc import Sequence
from pathlib import Path

from culpa.tasks.locations import Location, as_location

__all__ = ["JUDGING", "TRUSTED", "reference_sets"]

TRUSTED = "trusted"  # a set of reference rows that has no other name
JUDGING = "judging"  # the set that only the gate looks at


def reference_sets(given: Sequence[str]) -> dict[str, Location]:
    """Sets of reference rows by name; a file without a name is called `trusted`. Errors: ValueError for a name twice.

    >>> reference_sets(["good=a.parquet", "trigger=b.parquet"])["trigger"].name
    'b.parquet'
    """
    found: dict[str, Location] = {}
    for text in given:
        name, named, path = text.partition("=")
        if not (named and name.isidentifier()) or Path(text).exists():
            name, path = TRUSTED, text
        if name in found:
            raise ValueError(f"two sets of reference rows are called {name!r}: give each a name, NAME=FILE")
        found[name] = as_location(path)
    return found
