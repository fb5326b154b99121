"""One door for every kind of URL."""

from pathlib import Path
from tempfile import mkdtemp

from culpa.tasks.fetching.brought import Brought
from culpa.tasks.locations import is_postgres


def fetch(url: str, work: Path, table: str | None) -> Brought:
    """Bring what lies at the URL into a new folder in `work`; BadInput or CulpaError say why it cannot be."""
    folder = Path(mkdtemp(prefix="fetched-", dir=work))
    if is_postgres(url):
        from culpa.tasks.fetching.postgres import fetch_table

        return fetch_table(url, table, folder)
    from culpa.tasks.fetching.urls import fetch_files

    return fetch_files(url, folder)
