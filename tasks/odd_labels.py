"""Two things about labels that a person should know before any model is asked: a column that gives the label away,
and identical rows with different labels.

A column is the label in disguise if knowing it leaves at most a hundredth of the errors that always guessing the
commonest class makes, with ten rows to a value or more; for a number to predict, if the two lie on one line.
"""

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from culpa.tasks.kinds import as_role
from culpa.tasks.labels import Label
from culpa.tasks.profiles import Profile
from culpa.tasks.remarks import Remark, warning
from culpa.tasks.roles import Column
from culpa.tasks.sql import quoted

ROWS_A_VALUE = 10
ERRORS_LEFT = 0.01
ON_A_LINE = 0.99999
SAMPLE = 5_000  # rows on which most columns are cleared of the suspicion


def disguised_labels(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    label: Label,
    columns: Sequence[Column],
    profiles: dict[str, Profile],
) -> tuple[Remark, ...]:
    """Warn of every used column that determines the label."""
    used = [column for column in columns if column.used]
    if label.task == "regression":
        found = _on_a_line(connection, table, label, [column for column in used if column.role == "numeric"])
    else:
        few = [column.name for column in used if _has_few_values(profiles[column.name], label)]
        found = [
            name for name in _suspects(connection, table, few, label) if _determines(connection, table, name, label)
        ]
    return tuple(
        warning(
            "label_in_disguise",
            f"column {name!r} determines the label {label.column!r}: is it the label in disguise? --ignore {name} "
            "leaves it out",
        )
        for name in found
    )


def disagreeing_duplicates(connection: duckdb.DuckDBPyConnection, named: str, label: Label) -> tuple[Remark, ...]:
    """Warn of groups of rows with exactly the same features and different labels."""
    groups, rows = connection.execute(
        f"""SELECT count(*), coalesce(sum(size), 0) FROM (
                SELECT count(*) AS size FROM {quoted(named)} WHERE given_label IS NOT NULL
                GROUP BY duplicate_group HAVING count(DISTINCT given_label) > 1)"""
    ).fetchall()[0]
    if not groups:
        return ()
    message = (
        f"{groups:,} groups of rows with exactly the same features carry different labels ({rows:,} rows): "
        "in each, at most one label can be right, unless the features do not tell enough; "
        "see duplicate_group in the table rows"
    )
    return (warning("disagreeing_duplicates", message, int(rows)),)


def _has_few_values(profile: Profile, label: Label) -> bool:
    return 0.9 * len(label.classes) <= profile.distinct <= profile.filled / ROWS_A_VALUE


def _suspects(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], label: Label) -> list[str]:
    """The columns that determine the label in a sample of rows: a cheap look that clears most columns of any table."""
    values = ", ".join(f"{quoted(name)} AS c{place}" for place, name in enumerate(columns))
    sql = f"SELECT {label.text} AS label, {values} FROM {quoted(table)} WHERE {label.text} IS NOT NULL LIMIT {SAMPLE}"
    sample = connection.sql(sql).to_arrow_table() if columns else None
    return [name for place, name in enumerate(columns) if sample and _leaves_no_doubt(sample, f"c{place}")]


def _leaves_no_doubt(sample: pa.Table, column: str) -> bool:
    value, label = _codes(sample[column]), _codes(sample["label"])
    classes = int(label.max()) + 1
    cells = np.bincount(value * classes + label, minlength=(int(value.max()) + 1) * classes).reshape(-1, classes)
    errors, errors_by_guessing = len(label) - cells.max(axis=1).sum(), len(label) - cells.sum(axis=0).max()
    return bool(errors_by_guessing == 0 or errors <= ERRORS_LEFT * errors_by_guessing + 1)


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def _determines(connection: duckdb.DuckDBPyConnection, table: str, column: str, label: Label) -> bool:
    """Whether guessing each value's commonest class leaves next to no errors, in all rows."""
    total, left, guessed = connection.execute(
        f"""WITH cells AS (SELECT {quoted(column)} AS value, {label.text} AS class, count(*) AS rows
                           FROM {quoted(table)} GROUP BY ALL HAVING class IS NOT NULL)
            SELECT (SELECT sum(rows) FROM cells),
                   (SELECT sum(most) FROM (SELECT max(rows) AS most FROM cells GROUP BY value)),
                   (SELECT max(rows) FROM (SELECT sum(rows) AS rows FROM cells GROUP BY class))"""
    ).fetchall()[0]
    return bool(total - left <= ERRORS_LEFT * (total - guessed))


def _on_a_line(connection: duckdb.DuckDBPyConnection, table: str, label: Label, columns: Sequence[Column]) -> list[str]:
    if not columns:
        return []
    target = (
        f"CASE WHEN isfinite(CAST({quoted(label.column)} AS DOUBLE)) THEN CAST({quoted(label.column)} AS DOUBLE) END"
    )
    finite = [as_role(quoted(column.name), column.type, "numeric") for column in columns]
    parts = ", ".join(f"corr(CASE WHEN isfinite({value}) THEN {value} END, {target})" for value in finite)
    found = connection.execute(f"SELECT {parts} FROM {quoted(table)}").fetchall()[0]
    return [
        column.name
        for column, value in zip(columns, found, strict=True)
        if value is not None and abs(value) > ON_A_LINE
    ]
