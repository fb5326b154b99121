"""People's decisions: keep, drop, relabel or defer a row. They are only ever added, never changed, and beat every tag.

Either all decisions of one call are written or none. The same can be done in plain SQL:
`insert into decisions (row_id, decision, reviewed_by) values ('r17', 'keep', 'ann')`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.row_names import nearest_rows
from culpa.tasks.sql import statement
from culpa.tasks.store import transaction
from culpa.tasks.views import use_current_views

DECISIONS = ("keep", "drop", "relabel", "defer")
COLUMNS = ("row_id", "decision", "new_label", "reviewed_by", "note")
PROPOSALS = pa.schema([("line", pa.int64()), *((name, pa.string()) for name in COLUMNS)])
SHOWN = 5  # complaints named in one message


@dataclass(frozen=True)
class Decided:
    """How many decisions were added to the store, by kind."""

    rows: int
    by_decision: dict[str, int]
    last_id: int  # the number of the last of them


@dataclass(frozen=True)
class Seen:
    """What a person had before them when they decided on a row."""

    decision_id: int  # the last decision on the row; 0: none
    row_hash: str


class Overtaken(CulpaError):
    """The row was decided on, or its content changed, after the person had looked."""


def decide(
    store: Path,
    row_ids: Sequence[str],
    decision: str,
    new_label: str | None = None,
    *,
    by: str,
    note: str | None = None,
    dataset: str | None = None,
    seen: Seen | None = None,
    wait_seconds: float = 30.0,
) -> Decided:
    """Add one decision, the same for every row of `row_ids`, about their content in the latest flagged run.

    Errors: BadInput for unknown rows (with the nearest ids), an unknown decision, a missing or impossible new label,
    reference rows, and ids that lie in several data sets; Overtaken if `seen` is no longer so. Nothing is written then.
    """
    rows = [str(row) for row in row_ids]
    count = len(rows)
    columns = [range(1, count + 1), rows, [decision] * count, [new_label] * count, [by] * count, [note] * count]
    proposals = pa.table(list(map(pa.array, columns, PROPOSALS.types)), schema=PROPOSALS)
    return _append(store, proposals, dataset, "row", seen=seen, wait_seconds=wait_seconds)


def decide_from_csv(store: Path, path: Path, *, by: str | None = None, dataset: str | None = None) -> Decided:
    """Add the decisions of a CSV file: columns row_id, decision and, where needed, new_label, reviewed_by, note.

    `by` stands where reviewed_by is missing or empty. Errors: as `decide`, with the line of the file.
    """
    return _append(store, _read(Path(path), by), dataset, "line")


def _read(path: Path, by: str | None) -> pa.Table:
    try:
        with duckdb.connect() as connection:
            found = connection.read_csv(str(path), header=True, all_varchar=True)
            _check_columns(path, found.columns)
            given = [name if name in found.columns else f"NULL AS {name}" for name in COLUMNS]
            read = connection.sql(
                f"SELECT row_number() OVER () + 1 AS line, {', '.join(given)} FROM found"
            ).to_arrow_table()
    except (duckdb.Error, OSError) as error:
        raise BadInput(f"cannot read decisions from {path}: {error}") from error
    table = read.cast(PROPOSALS)
    empty_means_missing = [
        pa.array([value or None for value in table[name].to_pylist()], pa.string()) for name in COLUMNS
    ]
    names = [name or by for name in empty_means_missing[3].to_pylist()]
    empty_means_missing[3] = pa.array(names, pa.string())
    return pa.table([table["line"], *empty_means_missing], schema=PROPOSALS)


def _check_columns(path: Path, columns: list[str]) -> None:
    missing = {"row_id", "decision"} - set(columns)
    unknown = set(columns) - set(COLUMNS)
    if missing or unknown:
        raise BadInput(
            f"{path} has the columns {', '.join(columns)}: needed row_id and decision, "
            "allowed beside them new_label, reviewed_by, note"
        )


def _append(
    store: Path,
    proposals: pa.Table,
    dataset: str | None,
    what: str,
    *,
    seen: Seen | None = None,
    wait_seconds: float = 30.0,
) -> Decided:
    _check_words(proposals, what)
    with transaction(Path(store), wait_seconds=wait_seconds) as connection:
        use_current_views(connection)
        connection.register("proposals", proposals)
        connection.execute(statement("decide"), {"dataset": dataset})
        _check_rows(connection, dataset)
        _check_labels(connection, what)
        if seen is not None:
            _check_seen(connection, seen)
        added = connection.execute(
            """INSERT INTO decisions (row_id, row_hash, dataset, decision, new_label, reviewed_by, note)
               SELECT row_id, row_hash, dataset, decision, new_label, trim(reviewed_by), note
               FROM proposed ORDER BY line RETURNING decision_id"""
        ).fetchall()
        counts = connection.execute(
            "SELECT decision, count(*) FROM proposed GROUP BY decision ORDER BY decision"
        ).fetchall()
        connection.execute("DROP TABLE proposed")
    return Decided(len(proposals), dict(counts), max(number for (number,) in added))


def _check_words(proposals: pa.Table, what: str) -> None:
    complaints: list[str] = []
    for one in proposals.to_pylist():
        place = f"{what} {one['line'] if what == 'line' else repr(one['row_id'])}"
        if one["decision"] not in DECISIONS:
            complaints.append(f"{place}: the decision is {one['decision']!r}, needed one of {', '.join(DECISIONS)}")
        elif (one["decision"] == "relabel") != (one["new_label"] is not None):
            complaints.append(
                f"{place}: relabel needs a new label, and only relabel takes one; got {one['new_label']!r}"
            )
        if not (one["reviewed_by"] or "").strip():
            complaints.append(f"{place}: nobody answers for it; give a name with --by or in the column reviewed_by")
    if not len(proposals):
        complaints.append("no row to decide on was given")
    _refuse(complaints)


def _check_rows(connection: duckdb.DuckDBPyConnection, dataset: str | None) -> None:
    if not connection.execute(
        "SELECT 1 FROM latest_runs WHERE dataset = coalesce($1, dataset) LIMIT 1", [dataset]
    ).fetchall():
        which = f" of the data set {dataset!r}" if dataset else ""
        raise BadInput(
            f"there is no flagged run{which} in this store yet: flag the data first, then decide on its rows"
        )
    unknown = connection.execute(
        "SELECT DISTINCT row_id FROM proposed WHERE dataset IS NULL ORDER BY row_id"
    ).fetchall()
    if unknown:
        named = [f"{row!r} (nearest: {nearest_rows(connection, row, dataset)})" for (row,) in unknown[:SHOWN]]
        raise BadInput(f"{len(unknown)} unknown rows: {', '.join(named)}; nothing was written")
    shared = connection.execute(
        """SELECT row_id, string_agg(dataset, ', ' ORDER BY dataset) FROM proposed
           GROUP BY line, row_id HAVING count(*) > 1 LIMIT 1"""
    ).fetchall()
    if shared:
        raise BadInput(f"row {shared[0][0]!r} lies in several data sets ({shared[0][1]}): name one with --dataset")


def _check_seen(connection: duckdb.DuckDBPyConnection, seen: Seen) -> None:
    newer = connection.execute(statement("newer_decisions"), {"decision_id": seen.decision_id}).fetchall()
    if newer:
        raise Overtaken(f"{newer[0][1]} decided on row {newer[0][0]!r} after you had opened it; nothing was written")
    changed = connection.execute("SELECT row_id FROM proposed WHERE row_hash <> ?", [seen.row_hash]).fetchall()
    if changed:
        raise Overtaken(f"the content of row {changed[0][0]!r} is another since you opened it; nothing was written")


def _check_labels(connection: duckdb.DuckDBPyConnection, what: str) -> None:
    refused = connection.execute(statement("refused_decisions")).fetchall()
    _refuse([_complaint(f"{what} {line if what == 'line' else repr(row)}", *rest) for line, row, *rest in refused])


def _complaint(place: str, new_label: str | None, classes: list[str], is_trusted: bool) -> str:
    if is_trusted:
        return f"{place}: the row is one of the trusted reference rows; take it out of that file instead"
    return f"{place}: the new label {new_label!r} is no {_label_kind(classes)}"


def _label_kind(classes: list[str]) -> str:
    return f"class of this data set ({', '.join(classes[:20])})" if classes else "number"


def _refuse(complaints: list[str]) -> None:
    if complaints:
        more = f" and {len(complaints) - SHOWN} more like these" if len(complaints) > SHOWN else ""
        raise BadInput("; ".join(complaints[:SHOWN]) + more + "; nothing was written")
