"""Carries the review queue to people without the store, as a Parquet, CSV or Excel file that they fill in.

Beside each row stand the suggested label, the evidence and its own columns; decision, new_label, note and reviewed_by
are empty. dataset, row_hash and exported_at say which row, of which content, was seen when: the import needs them.

No text of the data runs in a spreadsheet: Excel cells hold texts as texts, and in CSV a text that begins like a formula
gets an apostrophe, which the import takes off again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.outputs import Drafts
from culpa.tasks.private import owner_only
from culpa.tasks.reviews.decision_checks import DECISIONS
from culpa.tasks.reviews.spreadsheet import write_sheet
from culpa.tasks.runs import Run, find_run
from culpa.tasks.sql import filled, literal, quoted
from culpa.tasks.store import connect
from culpa.tasks.views import columns_of, present_data, use_current_views, view_names

__all__ = ["ENDINGS", "Exported", "export_review"]

ENDINGS = (".parquet", ".csv", ".xlsx")
OURS = frozenset(
    {
        *("row_id", "given_label", "suggested_label", "decision", "new_label", "note", "reviewed_by", "tag", "reason"),
        *("evidence", "suggested_probability", "suspicion", "probability_wrong", "influence", "memorization"),
        *("expected_wrong", "must_see", "value", "decided_so_far", "dataset", "row_hash", "exported_at"),
    }
)
FILLED_IN = ("decision", "new_label", "note", "reviewed_by")
NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "BOOLEAN",
)  # in CSV and Excel the rest is text
RISKY = r"^''*[=+\-@\t\r\n]"  # as SQL takes it


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    dataset: str
    rows: int


def export_review(
    store: Path, path: Path, *, dataset: str | None = None, limit: int | None = None, all_flagged: bool = False
) -> Exported:
    """Write the rows that wait for a person, the most valuable first, to a file that is not there yet.

    Of the data set flagged last if none is named; `all_flagged`: those that were decided on as well.
    Errors: BadInput for an unusable file, no such data set, and more than a sheet takes; CulpaError for a full disk.
    """
    path = Path(path)
    kind = _kind(path)
    exported_at = (
        datetime.now(UTC).isoformat().replace("+00:00", "Z")
    )  # before reading: what is decided meanwhile is newer
    with connect(Path(store), read_only=True) as connection:
        use_current_views(connection)
        run = find_run(connection, _latest(connection, dataset))
        query = filled(
            "reviews/review_export",
            own=_own(connection, run, as_text=kind != ".parquet"),
            data=present_data(connection, run),
            dataset=literal(run.dataset),
            all=str(all_flagged).lower(),
            exported_at=literal(exported_at),
            most="NULL" if limit is None else str(int(limit)),
        )
        table = connection.sql(query).to_arrow_table()
    _write(path, kind, table)
    return Exported(path, run.dataset, len(table))


def _kind(path: Path) -> str:
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise BadInput(f"cannot tell the format of {path.name!r}: let it end in one of {', '.join(ENDINGS)}")
    if path.exists():
        raise BadInput(f"{path} is there already and may hold decisions: name another file, or remove it first")
    if not path.absolute().parent.is_dir():
        raise BadInput(f"the folder {path.parent} does not exist: create it, or name another file")
    return kind


def _latest(connection: duckdb.DuckDBPyConnection, dataset: str | None) -> str:
    """The run of the present data set that was flagged last."""
    found = connection.execute(
        """SELECT run_id FROM current_runs WHERE dataset = coalesce($1, dataset)
           ORDER BY flagged_at DESC, created_at DESC, run_id LIMIT 1""",
        [dataset],
    ).fetchall()
    if not found:
        known = connection.execute("SELECT DISTINCT dataset FROM current_runs ORDER BY dataset").fetchall()
        there = ", ".join(name for (name,) in known) or "none; `culpa flag` makes one"
        raise BadInput(f"there is no flagged run of {dataset or 'any data set'} in this store; flagged are: {there}")
    return str(found[0][0])


def _own(connection: duckdb.DuckDBPyConnection, run: Run, *, as_text: bool) -> str:
    """The data's own columns as SQL, under names that no column of ours has."""
    kinds = columns_of(connection, present_data(connection, run))
    parts = []
    for column, name in view_names(list(kinds), OURS).items():
        value = f"data.{quoted(column)}"
        if as_text and kinds[column] not in NUMBERS:
            value = f"CAST({value} AS VARCHAR)"
        parts.append(f"{value} AS {quoted(name)}")
    return ", ".join(parts)


def _write(path: Path, kind: str, table: pa.Table) -> None:
    try:
        with owner_only(), Drafts() as drafts:
            draft = drafts.draft(path)
            if kind == ".parquet":
                pq.write_table(table, draft)
            elif kind == ".csv":
                _write_csv(draft, table)
            else:
                write_sheet(draft, table, open_to_people=FILLED_IN, choices={"decision": DECISIONS})
            drafts.place()
    except OSError as error:
        raise CulpaError(f"cannot write {path}: {error}") from error


def _write_csv(draft: Path, table: pa.Table) -> None:
    """CSV that Excel reads as UTF-8, because it begins with the mark for it."""
    with draft.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        pyarrow.csv.write_csv(_guarded(table), file)


def _guarded(table: pa.Table) -> pa.Table:
    """The same with an apostrophe before every text, and every name, that a spreadsheet would run."""
    with duckdb.connect() as connection:
        connection.execute("SET arrow_large_buffer_size = true")
        connection.register("given", table)
        found = connection.execute("DESCRIBE given").fetchall()
        parts = (_guard(quoted(name)) if kind == "VARCHAR" else quoted(name) for name, kind, *_ in found)
        names = _guarded_names(connection, [name for name, *_ in found])
        return connection.sql(f"SELECT {', '.join(parts)} FROM given").to_arrow_table().rename_columns(names)


def _guard(text: str) -> str:
    return f"CASE WHEN regexp_matches({text}, '{RISKY}') THEN '''' || {text} ELSE {text} END"


def _guarded_names(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> list[str]:
    found = connection.execute(f"SELECT {_guard('name')} FROM (SELECT unnest($1) AS name)", [list(names)])
    return [name for (name,) in found.fetchall()]
