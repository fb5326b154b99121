"""A short soak: whatever happens to the processes at a store, nothing is lost and nobody is told of a lock."""

from pathlib import Path

import pytest

from tests.soak import as_text, soak


@pytest.mark.slow
def test_a_store_of_many_writers_and_readers_loses_nothing_though_they_are_killed(tmp_path: Path) -> None:
    books = soak(tmp_path, seconds=10, writers=4, readers=1, between_kills=2.0)
    assert books.sound, as_text(books)
    assert books.killed > 0
    assert books.counts["decisions acknowledged"] > 0
