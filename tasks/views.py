"""Makes the views: views.sql has those that know nothing of the data, data_views.sql those that show its columns."""

from collections.abc import Set

import duckdb
import pyarrow as pa

from culpa.tasks.comments import write_comments
from culpa.tasks.runs import Run
from culpa.tasks.sql import filled, literal, quoted, statement

CREATE = "CREATE OR REPLACE VIEW "
SHORT_NAMES = ("flagged", "review_queue", "clean_rows", "quarantine")  # of each data set as <name>_<data set> too

# What our views call their columns; a user's column of the same name appears as data_<name>.
OURS = frozenset(
    {
        *("row_id", "tag", "reason", "given_label", "suggested_label", "suggested_probability", "suspicion"),
        *("probability_wrong", "memorized", "harmful", "droppable", "rule_drops", "decision", "new_label"),
        *("decision_state", "reviewed_by", "memorization", "self_influence", "probability_without", "influence"),
        *("influence_se", "influence_p_value", "class_influence", "relative_influence", "classification_influence"),
        *("loss", "duplicate_group", "evidence", "run_id", "run", "dataset", "must_see", "value", "expected_wrong"),
    }
)


def create_views(connection: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Make every view of the store again, `flagged` and its kin for this run's data set."""
    connection.execute(statement("views"))
    data = present_data(connection, run)
    stored = columns_of(connection, data)
    label = run.label  # where the store keeps no data, their view has it under its own name
    if run.keeps_data:
        label = dict(zip(run.schema.names, stored_columns(connection, run.data_table), strict=True))[run.label]
    connection.execute(
        filled(
            "data_views",
            dataset=literal(run.dataset),
            data=data,
            own=_own(list(stored), {}),
            relabelled=_own(list(stored), {label: relabelled_sql(label, stored[label], "v")}),
            **{name: quoted(f"{name}_{run.dataset}") for name in SHORT_NAMES},
        )
    )
    write_comments(connection)


def use_current_views(connection: duckdb.DuckDBPyConnection, *, up_to: str | None = None) -> None:
    """Shadow the store's views by this version's, for this connection alone; works in a store opened for reading.

    Each view costs some milliseconds: who needs few of them takes those of the file `up_to` the last that it needs.
    """
    _, *views = statement("views").split(CREATE)
    names = [view.split(maxsplit=1)[0] for view in views]
    wanted = views if up_to is None else views[: names.index(up_to) + 1]
    connection.execute("".join(f"CREATE OR REPLACE TEMP VIEW {view}" for view in wanted))


def stored_columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """The user's columns in a data table, in the input's order, with DuckDB's types; our own two are left out."""
    return columns_of(connection, quoted(table))


def relabelled_sql(label: str, kind: str, verdict: str) -> str:
    """The label as a person wants it, in the label column's own type."""
    new = f"CAST({verdict}.new_label AS {kind})"
    return f"CASE WHEN {verdict}.outcome = 'relabelled' THEN {new} ELSE data.{quoted(label)} END"


def view_names(columns: list[str], ours: Set[str] = OURS) -> dict[str, str]:
    """What each of the user's columns is called beside columns of ours, such as those of our views.

    >>> view_names(["age", "Loss"])
    {'age': 'age', 'Loss': 'data_Loss'}
    """
    taken = {name.lower() for name in columns} | ours
    names: dict[str, str] = {}
    for column in columns:
        name = column
        while name.lower() in (taken if name != column else ours):
            name = f"data_{name}"
        names[column] = name
    return names


def file_names(schema: pa.Schema, ours: list[str]) -> list[str]:
    """What our columns are called beside the user's own in a file, where the user's keep their names."""
    taken = {name.lower() for name in schema.names}
    return [f"culpa_{name}" if name in taken else name for name in ours]


def present_data(connection: duckdb.DuckDBPyConnection, run: Run) -> str:
    """The data table of the present rows, as SQL; where batches brought other types, all of their tables as one."""
    found = connection.execute(
        """SELECT data_table FROM current_runs WHERE dataset = ?
           GROUP BY data_table ORDER BY data_table = ? DESC, min(turn)""",
        [run.dataset, run.data_table],
    )
    tables = [quoted(table) for (table,) in found.fetchall()] or [quoted(run.data_table)]
    parts = [f"SELECT * FROM {tables[0]}"]
    for place, table in enumerate(tables[1:], 1):  # a row of the same content may lie in several
        known = " ".join(f"ANTI JOIN {earlier} USING (__row_id, __row_hash)" for earlier in tables[:place])
        parts.append(f"SELECT * FROM {table} {known}")
    return tables[0] if len(parts) == 1 else f"({' UNION ALL BY NAME '.join(parts)})"


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """The same of the SQL that `present_data` gives."""
    found = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return {name: kind for name, kind, *_ in found if name not in ("__row_id", "__row_hash")}


def _own(stored: list[str], replaced: dict[str, str]) -> str:
    return ", ".join(
        f"{replaced.get(column) or 'data.' + quoted(column)} AS {quoted(name)}"
        for column, name in view_names(stored).items()
    )
