"""Reads and understands an input: which columns play which part, what the label is, who the rows are, and what is
wrong.

Works on a staging connection and leaves in it the tables `data` (the input, in order), `rows_to_store` (its rows'
names) and, for each set of reference rows, its own two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from culpa.tasks import identity, odd_labels, roles
from culpa.tasks.batch.dataset import DataSet
from culpa.tasks.errors import BadInput
from culpa.tasks.keys import check_keys
from culpa.tasks.kinds import Role
from culpa.tasks.labels import Label, empty_labels, expect_label, read_label
from culpa.tasks.memory import limit_memory
from culpa.tasks.nearest import nearest
from culpa.tasks.profiles import Profile, columns_of, measure
from culpa.tasks.reference import Reference, mark_reference_rows, read_reference
from culpa.tasks.reference_sets import JUDGING
from culpa.tasks.remarks import Remark, warning
from culpa.tasks.roles import Column
from culpa.tasks.settings import Settings
from culpa.tasks.sources import Source, open_source
from culpa.tasks.staging import load

NAMELESS = (
    "the rows of this batch are named by their content: one that equals a row of the data set counts as that row, come "
    "again; name a column with --key to tell them apart"
)
CHOSEN: tuple[Role, ...] = ("numeric", "categorical", "text", "timestamp")


@dataclass(frozen=True)
class Input:
    """An input, understood."""

    schema: pa.Schema  # exact, as the source had it
    rows: int
    columns: tuple[Column, ...]  # in the input's order
    label: Label
    fingerprint: str
    references: tuple[Reference, ...]  # the sets of reference rows; the first judges
    remarks: tuple[Remark, ...]


def read_input(connection: duckdb.DuckDBPyConnection, settings: Settings, onto: DataSet | None = None) -> Input:
    """Stage and understand the source and the trusted file; BadInput at the first thing that makes them unusable.

    A batch is read as the data set was that it comes `onto`: its types, roles and classes.
    """
    source = open_source(connection, settings)
    if onto is not None:
        source = onto.shaped(source)
    _check_columns(source, settings)
    limit_memory(connection, settings.memory_limit, len(source.schema))
    rows = load(connection, source, "data", None if onto is None else onto.kinds)
    if settings.key is not None:
        check_keys(connection, "data", settings.key, source.name)
    label = _label(connection, settings, onto)
    profiles = _profiles(connection, settings)
    columns = onto.columns if onto else _columns(connection, settings, label, profiles, source.declared)
    _check_features(columns, profiles)
    references = _references(connection, settings, label, columns)
    remarks = _name_and_remark(connection, settings, label, columns, profiles, references)
    print_ = identity.fingerprint(connection, "named", str(columns_of(connection, "data")))
    nameless = (warning("nameless_batch", NAMELESS),) if onto is not None and settings.key is None else ()
    return Input(source.schema, rows, columns, label, print_, references, (*label.remarks, *remarks, *nameless))


def _name_and_remark(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    label: Label,
    columns: Sequence[Column],
    profiles: dict[str, Profile],
    references: Sequence[Reference],
) -> tuple[Remark, ...]:
    used = [column.name for column in columns if column.used]
    identity.name_rows(connection, "data", "named", identity.Naming(label.column, settings.key, used, label.text))
    return (
        *empty_labels(label),
        *roles.remarks(columns),
        *odd_labels.disguised_labels(connection, "data", label, columns, profiles),
        *odd_labels.disagreeing_duplicates(connection, "named", label),
        *(remark for reference in references for remark in reference.remarks),
        *mark_reference_rows(connection, [*references[:1], *(one for one in references[1:] if one.name == JUDGING)]),
    )


def _label(connection: duckdb.DuckDBPyConnection, settings: Settings, onto: DataSet | None) -> Label:
    if onto is None:
        return read_label(connection, "data", settings.label, settings.task)
    return expect_label(connection, "data", settings.label, onto.run.classes)


def _check_columns(source: Source, settings: Settings) -> None:
    asked = {"label": (settings.label,), "key": (settings.key,) if settings.key else (), "ignore": settings.ignore}
    asked |= {role: getattr(settings, role) for role in CHOSEN}
    asked["source-column"] = (settings.source_column,) if settings.source_column else ()
    known = set(source.schema.names)
    for option, names in asked.items():
        for name in names:
            if name not in known:
                raise BadInput(f"{source.name} has no column {name!r} (--{option}){nearest(name, known)}")


def _profiles(connection: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, Profile]:
    aside = {settings.label, settings.key, *settings.ignore}
    return measure(connection, "data", [name for name in columns_of(connection, "data") if name not in aside])


def _columns(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    label: Label,
    profiles: dict[str, Profile],
    declared: bool,
) -> tuple[Column, ...]:
    wanted: dict[str, Role] = {name: role for role in CHOSEN for name in getattr(settings, role)}
    ignored = set(settings.ignore)
    found = []
    for name, kind in columns_of(connection, "data").items():
        if name == label.column:
            found.append(Column(name, kind, "label", False, label.task))
        elif name == settings.key:
            found.append(Column(name, kind, "key", False, "names the rows"))
        elif name in ignored:
            found.append(Column(name, kind, "ignored", False, "chosen by the user"))
        elif name in wanted:
            found.append(roles.chosen(connection, "data", profiles[name], wanted[name]))
        else:
            found.append(roles.infer(connection, "data", profiles[name], declared))
    return tuple(found)


def _check_features(columns: Sequence[Column], profiles: dict[str, Profile]) -> None:
    if not any(column.used for column in columns):
        reasons = "; ".join(f"{column.name}: {column.role}, {column.reason}" for column in columns[:10])
        raise BadInput(
            f"no column is left to learn from ({reasons}); choose some with --numeric, --categorical or --text"
        )
    for name in [column.name for column in columns if column.role == "numeric"]:
        if profiles[name].infinite:
            raise BadInput(
                f"column {name!r} is infinite in {profiles[name].infinite:,} rows: make them numbers, "
                f"leave them empty, or leave the column out with --ignore {name}"
            )


def _references(
    connection: duckdb.DuckDBPyConnection, settings: Settings, label: Label, columns: Sequence[Column]
) -> tuple[Reference, ...]:
    return tuple(
        read_reference(connection, name, path, label, settings.key, columns)
        for name, path in settings.references.items()
    )
