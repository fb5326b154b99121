"""Runs whose data stay outside: the store has only ids, hashes, labels and scores of their rows (`--no-data`).

While such a run is at work its columns lie in the work folder, as they were staged. Later, for a publish, the source
is read again, and has to be what it was. In the store, in place of the data tables, there are views of the same two
columns beside the label, so that every query that shows a row's columns shows its label.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from culpa.tasks import work
from culpa.tasks.errors import BadInput
from culpa.tasks.reference import Reference
from culpa.tasks.reference_sets import JUDGING
from culpa.tasks.runs import Run, find_run
from culpa.tasks.settings import Options, Settings
from culpa.tasks.sql import literal, quoted
from culpa.tasks.staging import FILE, staging
from culpa.tasks.store import connect

__all__ = ["attach_data", "data_view_name", "keep_outside", "make_data_views", "outside_data", "without_words"]


def keep_outside(folder: Path, store: Path, run_id: str) -> None:
    """Move the staged input into the run's work folder, where it lasts as long as the run is at work."""
    (folder / FILE).replace(work.claim(store, run_id) / FILE)


def data_view_name(dataset: str, label: str, reference: str | None = None) -> str:
    """What stands in the place of a data table, in `runs.data_table` or as the table of a set of reference rows."""
    which = "" if reference is None else f"_reference_{reference}"
    return f"ids_{dataset}{which}_{md5(label.encode()).hexdigest()[:8]}"


def make_data_views(connection: duckdb.DuckDBPyConnection, run: Run) -> None:
    """The views of a run that keeps no data: `__row_id`, `__row_hash` and the label of its rows and reference rows."""
    sources = {run.data_table: "rows", **{one["table"]: "reference_rows" for one in run.reference_sets}}
    for view, rows in sources.items():
        connection.execute(
            f"""CREATE OR REPLACE VIEW {quoted(view)} AS
                SELECT r.row_id AS __row_id, r.row_hash AS __row_hash, any_value(r.given_label) AS {quoted(run.label)}
                FROM {rows} r
                SEMI JOIN (
                    SELECT run_id FROM runs
                    WHERE data_table = {literal(view)} OR list_contains(reference_sets->>'$[*].table', {literal(view)})
                ) u ON u.run_id = r.run_id
                GROUP BY r.row_id, r.row_hash"""
        )


@contextmanager
def outside_data(store: Path, run_id: str) -> Iterator[Path | None]:
    """The staged input of a run that keeps no data, for the time of the block; None where the store has the data.

    Errors: BadInput where the source cannot be read again, or is no longer what it was.
    """
    with connect(store, read_only=True) as connection:
        run = find_run(connection, run_id)
    staged = work.work_folder(store, run.run_id) / FILE
    if run.keeps_data:
        yield None
    elif staged.is_file():
        yield staged
    else:
        with work.borrowed(store, "outside") as folder:
            _read_again(store, run, folder)
            yield folder / FILE


def attach_data(connection: duckdb.DuckDBPyConnection, run: Run, staged: Path | None) -> None:
    """Let this connection, and it alone, find the run's columns where its data tables would be."""
    if staged is None:
        return
    connection.execute(f"ATTACH {literal(str(staged))} AS outside (READ_ONLY)")
    _show(connection, run.data_table, "data", "rows_to_store")
    for one in run.reference_sets:
        reference = Reference(one["name"], 0, False, "", ())
        _show(connection, one["table"], reference.staged, reference.named)


def _show(connection: duckdb.DuckDBPyConnection, view: str, data: str, named: str) -> None:
    connection.execute(
        f"""CREATE OR REPLACE TEMP VIEW {quoted(view)} AS
            SELECT named.row_id AS __row_id, named.row_hash AS __row_hash, data.*
            FROM outside.{quoted(data)} AS data JOIN outside.{quoted(named)} AS named ON named.position = data.rowid"""
    )


def _read_again(store: Path, run: Run, folder: Path) -> None:
    from culpa.tasks.read import read_input  # it knows the tables in memory, and what comes with them

    if run.source.startswith("<"):
        raise BadInput(
            f"the data of run {run.run_id} came from memory and are kept nowhere: `clean` it in one go, or flag it "
            "without no-data"
        )
    with staging(folder) as connection:
        found = read_input(connection, _settings(store, run), None)
    trusted = next((one.fingerprint for one in found.references[:1] if one.name != JUDGING), None)
    changed = [run.source] if found.fingerprint != run.data_fingerprint else []
    changed += ["its trusted file"] if trusted != run.reference_fingerprint else []
    if changed:
        raise BadInput(
            f"{' and '.join(changed)} is no longer what run {run.run_id} read, and the store keeps no data of it: "
            "bring it back as it was, or clean what is there now"
        )


def _settings(store: Path, run: Run) -> Settings:
    known = {name: value for name, value in run.settings.items() if name in Options.model_fields and name != "rule"}
    return Settings.model_validate({**known, "source": run.source, "store": store})


def without_words(evidence: pa.Table) -> pa.Table:
    """Evidence that quotes nothing: a word to blame is a piece of the data."""
    return evidence.filter(pc.is_null(evidence["word"]))
