"""Writes the report of a run to its place beside the store, whole or not at all."""

from pathlib import Path

from culpa.tasks.errors import CulpaError
from culpa.tasks.outputs import Drafts
from culpa.tasks.private import new_folder
from culpa.tasks.report.figures import read_figures

__all__ = ["reports_folder", "write_report"]


def reports_folder(store: Path) -> Path:
    """Where the reports of a store's runs lie: culpa.duckdb -> culpa.duckdb.reports."""
    return store.with_name(store.name + ".reports")


def write_report(store: Path, run_id: str, folder: Path | None = None) -> Path:
    """Write the page of one run, which can be named by the beginning of its id; gives the page's path.

    Errors: BadInput for no such run or store; CulpaError where the folder takes no files.
    """
    from culpa.tasks.report.page import render  # the charts' libraries, only where a page is written

    figures = read_figures(Path(store), run_id)
    page = render(figures)
    final = (folder or reports_folder(Path(store))) / f"{figures.run.run_id}.html"
    try:
        new_folder(final.parent)
        with Drafts() as drafts:
            drafts.draft(final).write_text(page, encoding="utf-8")
            drafts.place()
    except OSError as error:
        raise CulpaError(
            f"the report {final} cannot be written: {error.strerror}; make room or name another folder"
        ) from error
    return final
