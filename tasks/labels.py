"""What the label column is: two classes, many classes, or a number to predict; and what is wrong with it.

Texts, booleans and few whole numbers are classes, everything else with many values is a number; --task overrules. A
NULL or a NaN is no label: the row takes no part in training and passes through untouched.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import duckdb

from culpa.tasks.errors import BadInput
from culpa.tasks.kinds import family
from culpa.tasks.profiles import columns_of
from culpa.tasks.remarks import Remark, note, warning
from culpa.tasks.settings import Task
from culpa.tasks.sql import quoted

FEW = 20  # so many different whole numbers are classes in any table; in long ones the square root of the rows


@dataclass(frozen=True)
class Label:
    """The label column, understood."""

    column: str
    kind: str  # DuckDB's type
    task: Literal["classification", "regression"]
    classes: tuple[str, ...]  # in code order; empty for regression
    text: str  # SQL: the label as the store writes it, NULL where there is none
    unlabelled: int
    remarks: tuple[Remark, ...]


def read_label(connection: duckdb.DuckDBPyConnection, table: str, column: str, wanted: Task) -> Label:
    """Understand the label of a staged table; BadInput where nothing can be learnt from it."""
    kind = columns_of(connection, table)[column]
    if family(kind) in ("nested", "bytes", "time", "duration"):
        raise BadInput(
            f"the label {column!r} has the type {kind}: needed classes (text, boolean, whole numbers) or a number "
            "to predict"
        )
    values = _measured(connection, table, column, kind)
    if values["filled"] == 0:
        raise BadInput(f"the label {column!r} is empty in all {values['rows']:,} rows: there is nothing to learn from")
    if values["infinite"]:
        raise BadInput(
            f"the label {column!r} is infinite in {values['infinite']:,} rows: make it a number or leave it empty there"
        )
    task, remarks = _task(column, kind, values, wanted)
    text = _text(column, kind, task, bool(values["whole"]))
    classes = _classes(connection, table, column, text) if task == "classification" else ()
    if task == "regression" and values["distinct"] < 2:
        raise BadInput(f"the label {column!r} has the same value in every row: there is nothing to predict")
    return Label(column, kind, task, classes, text, values["rows"] - values["filled"], remarks)


def expect_label(connection: duckdb.DuckDBPyConnection, table: str, column: str, classes: tuple[str, ...]) -> Label:
    """The label of a staged batch, of a data set with these classes (none: regression); BadInput for another class."""
    kind = columns_of(connection, table)[column]
    task: Literal["classification", "regression"] = "classification" if classes else "regression"
    whole = bool(classes) and all(name.lstrip("-").isdigit() for name in classes)
    _check_numbers(connection, table, column, kind, whole)
    text = _text(column, kind, task, whole)
    came = connection.execute(f"SELECT {text} AS class, count(*) FROM {quoted(table)} GROUP BY class").fetchall()
    counts: dict[str | None, int] = dict(came)
    unlabelled = counts.pop(None, 0)
    unknown = sorted(str(name) for name in set(counts) - set(classes)) if classes else []
    if unknown:
        rows = sum(counts[name] for name in unknown)
        raise BadInput(
            f"{rows:,} rows have a label that the data set does not know ({', '.join(map(repr, unknown[:5]))}; it "
            f"knows {', '.join(map(repr, classes[:20]))}): mend them, or take the new classes in by cleaning all of "
            "the data again without --onto"
        )
    return Label(column, kind, task, classes, text, unlabelled, ())


def _check_numbers(connection: duckdb.DuckDBPyConnection, table: str, column: str, kind: str, whole: bool) -> None:
    """Refuse labels that are infinite, or broken where the data set's are whole numbers."""
    if family(kind) != "float":
        return
    name = quoted(column)
    odd = f"isinf({name})" + (f" OR {name} <> trunc({name})" if whole else "")
    asked = f"SELECT count(*), any_value({name}) FROM {quoted(table)} WHERE NOT isnan({name}) AND ({odd})"
    count, example = connection.execute(asked).fetchall()[0]
    if count:
        raise BadInput(
            f"the label {column!r} is {example} in {count:,} rows, which no label of the data set can be: mend them, "
            "or leave them empty"
        )


def _measured(connection: duckdb.DuckDBPyConnection, table: str, column: str, kind: str) -> dict[str, Any]:
    name = quoted(column)
    number = f"CAST({name} AS DOUBLE)" if family(kind) in ("integer", "float") else f"TRY_CAST({name} AS DOUBLE)"
    filled = (
        f"{name} IS NOT NULL AND NOT coalesce(isnan({number}), false)"
        if family(kind) == "float"
        else f"{name} IS NOT NULL"
    )
    names = ("rows", "filled", "distinct", "numbers", "infinite", "whole")
    found = connection.execute(
        f"""SELECT count(*), count(*) FILTER ({filled}), count(DISTINCT {name}) FILTER ({filled}),
                   count({number}) FILTER ({filled}),
                   {f"count(*) FILTER (isinf({number}))" if family(kind) == "float" else 0},
                   coalesce(bool_and({number} = trunc({number})) FILTER ({filled}), false)
            FROM {quoted(table)}"""
    ).fetchall()[0]
    return dict(zip(names, found, strict=True))


def _task(
    column: str, kind: str, values: dict[str, Any], wanted: Task
) -> tuple[Literal["classification", "regression"], tuple[Remark, ...]]:
    if wanted == "regression" and values["numbers"] < values["filled"]:
        odd = values["filled"] - values["numbers"]
        raise BadInput(
            f"the label {column!r} is no number in {odd:,} rows, and --task regression needs one: use --task "
            "classification"
        )
    if wanted != "auto":
        return wanted, ()
    if family(kind) not in ("integer", "float") or values["distinct"] <= 2:
        return "classification", ()
    limit = min(values["filled"] / 2, max(FEW, math.sqrt(values["filled"]) if values["whole"] else FEW))
    many = values["distinct"] > limit
    read = "a number to predict (regression)" if many else "classes"
    other = "classification" if many else "regression"
    message = (
        f"the label {column!r} has {values['distinct']:,} different numbers and is read as {read}; "
        f"--task {other} overrules"
    )
    return "regression" if many else "classification", (note("task", message),)


def _text(column: str, kind: str, task: str, whole: bool) -> str:
    """The label as text; classes that pandas made floats, because some labels are missing, read as whole numbers."""
    name = quoted(column)
    if task == "regression":
        number = f"CAST({name} AS DOUBLE)"
        return f"CAST(CASE WHEN NOT isnan({number}) THEN {number} END AS VARCHAR)"
    if kind in ("FLOAT", "DOUBLE"):
        number = f"CAST({name} AS HUGEINT)" if whole else name
        return f"CASE WHEN NOT isnan({name}) THEN CAST({number} AS VARCHAR) END"
    return f"({name} ->> '$')" if kind == "JSON" else f"CAST({name} AS VARCHAR)"


def _classes(connection: duckdb.DuckDBPyConnection, table: str, column: str, text: str) -> tuple[str, ...]:
    found = connection.execute(
        f"""SELECT class, count(*) FROM (SELECT {text} AS class, {quoted(column)} AS value FROM {quoted(table)})
            WHERE class IS NOT NULL GROUP BY class ORDER BY min(value)"""
    ).fetchall()
    counts: dict[str, int] = dict(found)
    rows = sum(counts.values())
    if len(counts) == 1:
        raise BadInput(
            f"the label {column!r} has one class only, {next(iter(counts))!r} in all {rows:,} rows: needed two or more"
        )
    if len(counts) > rows / 2:
        raise BadInput(
            f"the label {column!r} has {len(counts):,} classes in {rows:,} rows: is it an identifier, or a number "
            "(--task regression)?"
        )
    single = [repr(name) for name, count in counts.items() if count == 1]
    if single:
        names = ", ".join(single[:5]) + (", ..." if len(single) > 5 else "")
        raise BadInput(
            f"{len(single)} of {len(counts)} classes of {column!r} have one row only ({names}): nothing can be said "
            "about a row from the others of its class; merge such classes, empty their labels, or drop the rows"
        )
    return tuple(counts)


def empty_labels(label: Label) -> tuple[Remark, ...]:
    """Warn of rows without a label, and of a class that looks like one."""
    remarks = []
    if label.unlabelled:
        remarks.append(
            note(
                "unlabelled", f"{label.unlabelled:,} rows have no label: they pass through untouched", label.unlabelled
            )
        )
    blank = [name for name in label.classes if name.strip().lower() in ("", "?", "na", "n/a", "nan", "null", "none")]
    remarks += [
        warning("blank_class", f"{name!r} is read as a class of {label.column!r}: if it means missing, empty it")
        for name in blank
    ]
    return tuple(remarks)
