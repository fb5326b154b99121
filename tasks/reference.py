"""Sets of reference rows: files of rows whose labels are right. The first judges the others and is never dropped.

It needs the label and every column that the model uses, in types that fit; its other columns are not read. A row of
the input is a reference row itself if the file holds the same key, or without keys the same features with the same
label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from culpa.tasks.errors import BadInput
from culpa.tasks.identity import Naming, fingerprint, name_rows
from culpa.tasks.keys import check_keys
from culpa.tasks.kinds import family
from culpa.tasks.labels import Label
from culpa.tasks.locations import Location
from culpa.tasks.nearest import nearest
from culpa.tasks.profiles import columns_of
from culpa.tasks.remarks import Remark, warning
from culpa.tasks.roles import Column
from culpa.tasks.sources import Source, open_path
from culpa.tasks.sql import quoted
from culpa.tasks.staging import load

NUMBERS = ("integer", "float", "boolean")


@dataclass(frozen=True)
class Reference:
    """One set's staged and named rows: the tables `staged` and `named`."""

    name: str
    rows: int
    keyed: bool
    fingerprint: str
    remarks: tuple[Remark, ...]

    @property
    def staged(self) -> str:
        """The staging table with the rows' columns."""
        return f"reference_{self.name}"

    @property
    def named(self) -> str:
        """The staging table with the rows' names."""
        return f"named_{self.staged}"


def read_reference(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    path: Location,
    label: Label,
    key: str | None,
    columns: Sequence[Column],
) -> Reference:
    """Stage one set's file beside the staged input; BadInput if it does not fit to it."""
    staged, named = f"reference_{name}", f"named_reference_{name}"
    as_text = [column.name for column in columns if family(column.type) == "string"]
    source = open_path(connection, path, text=as_text, alias=f"{staged}_file")
    types = _fitting_types(connection, source, path, label, key, columns)
    try:
        load(connection, source, staged, types)
    except BadInput as error:
        raise BadInput(f"the reference file does not fit: {error}") from error
    if key in types:
        check_keys(connection, staged, str(key), str(path))
    _check_finite(connection, staged, path, [column for column in columns if column.used])
    used = [column.name for column in columns if column.used]
    name_rows(
        connection,
        staged,
        named,
        Naming(label.column, key if key in types else None, used, label.text),
    )
    _check_classes(connection, named, path, label)
    remarks = (*_without_label(connection, named, path), *_missing_classes(connection, named, path, label))
    print_ = fingerprint(connection, named, str(types))
    rows = connection.execute(f"SELECT count(*) FROM {named} WHERE given_label IS NOT NULL").fetchall()[0][0]
    return Reference(name, rows, key in types, print_, remarks)


def mark_reference_rows(connection: duckdb.DuckDBPyConnection, references: Sequence[Reference]) -> tuple[Remark, ...]:
    """Add the column is_reference to the table `named`, and warn of rows that a trusted file gives another label."""
    same = " OR ".join(_same(reference) for reference in references) or "false"
    connection.execute(f"CREATE TABLE rows_to_store AS SELECT *, {same} AS is_reference FROM named")
    if not references:
        return ()
    others = " OR ".join(_contradicted(reference) for reference in references)
    other = connection.execute(f"SELECT count(*) FROM named n WHERE {others}").fetchall()[0][0]
    message = f"{other:,} rows also lie in the trusted file, with another label there: the label here is likely wrong"
    return (warning("contradicts_reference", message, other),) if other else ()


def _same(reference: Reference) -> str:
    if reference.keyed:
        return f"row_id IN (SELECT row_id FROM {reference.named} WHERE given_label IS NOT NULL)"
    content = f"(feature_hash, given_label) IN (SELECT (feature_hash, given_label) FROM {reference.named})"
    return f"coalesce({content}, false)"


def _contradicted(reference: Reference) -> str:
    match = "n.row_id = r.row_id" if reference.keyed else "n.feature_hash = r.feature_hash"
    return f"EXISTS (SELECT 1 FROM {reference.named} r WHERE {match} AND n.given_label <> r.given_label)"


def _fitting_types(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    path: Location,
    label: Label,
    key: str | None,
    columns: Sequence[Column],
) -> dict[str, str]:
    """The columns to read and the types to read them in: those of the input, where nothing is lost by it."""
    here = {column.name: column.type for column in columns}
    found = connection.execute(f"DESCRIBE SELECT * FROM {source.relation}").fetchall()
    there = {name: kind for name, kind, *_ in found if name in here}
    needed = [label.column, *(column.name for column in columns if column.used)]
    for name in needed:
        if name not in there:
            raise BadInput(
                f"the reference file {path} has no column {name!r}, which the input has"
                f"{nearest(name, [row[0] for row in found])}; add it there, or leave it out with --ignore {name}"
            )
        if not _fits(here[name], there[name]):
            raise BadInput(
                f"the reference file {path} does not fit: column {name!r} is {there[name]} there and {here[name]} "
                "in the input"
            )
    wanted = [
        name for name in here if name in there and (name in needed or name == key or _fits(here[name], there[name]))
    ]
    return {name: there[name] if _would_round(here[name], there[name]) else here[name] for name in wanted}


def _fits(here: str, there: str) -> bool:
    mine, other = family(here), family(there)
    return (
        mine == other
        or other == "null"
        or (mine in NUMBERS and other in NUMBERS)
        or (mine == "string" and other != "nested")
    )


def _would_round(here: str, there: str) -> bool:
    return family(here) in ("integer", "boolean") and family(there) == "float"


def _check_finite(connection: duckdb.DuckDBPyConnection, staged: str, path: Location, used: Sequence[Column]) -> None:
    kinds = columns_of(connection, staged)
    floats = [column.name for column in used if kinds[column.name] in ("FLOAT", "DOUBLE")]
    for name in floats:
        count = connection.execute(f"SELECT count(*) FROM {staged} WHERE isinf({quoted(name)})").fetchall()[0][0]
        if count:
            raise BadInput(
                f"the reference file {path}: column {name!r} is infinite in {count:,} rows; make them numbers or empty"
            )


def _check_classes(connection: duckdb.DuckDBPyConnection, named: str, path: Location, label: Label) -> None:
    if label.task == "regression":
        return
    sql = f"SELECT given_label, count(*) FROM {named} WHERE given_label IS NOT NULL GROUP BY 1 ORDER BY 1"
    unknown = [(name, count) for name, count in connection.execute(sql).fetchall() if name not in label.classes]
    if unknown:
        shown = ", ".join(f"{name!r} ({count:,} rows)" for name, count in unknown[:5])
        raise BadInput(
            f"the reference file {path} has classes of {label.column!r} that the input has not: "
            f"{shown}{nearest(unknown[0][0], label.classes)}"
        )


def _without_label(connection: duckdb.DuckDBPyConnection, named: str, path: Location) -> tuple[Remark, ...]:
    rows, empty = connection.execute(f"SELECT count(*), count(*) FILTER (given_label IS NULL) FROM {named}").fetchall()[
        0
    ]
    if rows == empty:
        raise BadInput(f"the reference file {path} has no label in any of its {rows:,} rows")
    message = f"{empty:,} rows of the reference file have no label and are not used"
    return (warning("reference_unlabelled", message, empty),) if empty else ()


def _missing_classes(
    connection: duckdb.DuckDBPyConnection, named: str, path: Location, label: Label
) -> tuple[Remark, ...]:
    known = {name for (name,) in connection.execute(f"SELECT DISTINCT given_label FROM {named}").fetchall()}
    missing = [name for name in label.classes if name not in known]
    shown = ", ".join(repr(name) for name in missing[:5]) + (", ..." if len(missing) > 5 else "")
    message = f"the reference file {path} has no row of {len(missing)} classes: {shown}"
    return (warning("reference_without_class", message, len(missing)),) if missing else ()
