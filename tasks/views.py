"""Makes the views: views.sql has those that know nothing of the data, data_views.sql those that show its columns."""

import duckdb
import pyarrow as pa

from culpa.tasks.runs import Run
from culpa.tasks.sql import filled, literal, quoted, statement

# What our views call their columns; a user's column of the same name appears as data_<name>.
OURS = frozenset(
    {
        *("row_id", "tag", "reason", "given_label", "suggested_label", "suggested_probability", "suspicion"),
        *("probability_wrong", "memorized", "harmful", "droppable", "decision", "new_label", "decision_state"),
        *("reviewed_by", "memorization", "self_influence", "probability_without", "influence", "influence_se"),
        *("influence_p_value", "class_influence", "relative_influence", "classification_influence", "loss"),
        *("duplicate_group", "evidence", "run_id", "run", "dataset"),
    }
)


def create_views(connection: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Make every view of the store again, `flagged` and its kin for this run."""
    connection.execute(statement("views"))
    stored = stored_columns(connection, run.data_table)
    label = dict(zip(run.schema.names, stored, strict=True))[run.label]
    connection.execute(
        filled(
            "data_views",
            flagged=quoted(f"flagged_{run.dataset}"),
            run=literal(run.run_id),
            dataset=literal(run.dataset),
            data=quoted(run.data_table),
            own=_own(list(stored), {}),
            relabelled=_own(list(stored), {label: relabelled_sql(label, stored[label], "v")}),
        )
    )


def use_current_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Shadow the store's views by this version's, for this connection alone; works in a store opened for reading."""
    connection.execute(statement("views").replace("CREATE OR REPLACE VIEW", "CREATE OR REPLACE TEMP VIEW"))


def stored_columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """The user's columns in a data table, in the input's order, with DuckDB's types; our own two are left out."""
    found = connection.execute(f"DESCRIBE {quoted(table)}").fetchall()
    return {name: kind for name, kind, *_ in found if name not in ("__row_id", "__row_hash")}


def relabelled_sql(label: str, kind: str, verdict: str) -> str:
    """The label as a person wants it, in the label column's own type."""
    new = f"CAST({verdict}.new_label AS {kind})"
    return f"CASE WHEN {verdict}.outcome = 'relabelled' THEN {new} ELSE data.{quoted(label)} END"


def view_names(columns: list[str]) -> dict[str, str]:
    """What each of the user's columns is called in our views.

    >>> view_names(["age", "Loss"])
    {'age': 'age', 'Loss': 'data_Loss'}
    """
    taken = {name.lower() for name in columns} | OURS
    names: dict[str, str] = {}
    for column in columns:
        name = column
        while name.lower() in (taken if name != column else OURS):
            name = f"data_{name}"
        names[column] = name
    return names


def file_names(schema: pa.Schema, ours: list[str]) -> list[str]:
    """What our columns are called beside the user's own in a file, where the user's keep their names."""
    taken = {name.lower() for name in schema.names}
    return [f"culpa_{name}" if name in taken else name for name in ours]


def _own(stored: list[str], replaced: dict[str, str]) -> str:
    return ", ".join(
        f"{replaced.get(column) or 'data.' + quoted(column)} AS {quoted(name)}"
        for column, name in view_names(stored).items()
    )
