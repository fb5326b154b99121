"""The plan of a publish: what becomes of every row of one run, settled before anything is written."""

import duckdb
import pyarrow as pa

from culpa.tasks.publishing.balance import ROW_CHECKSUM
from culpa.tasks.publishing.guards import check_new_labels
from culpa.tasks.runs import Run, check_judged_by_rule
from culpa.tasks.sql import filled, literal
from culpa.tasks.views import stored_columns, use_current_views


def make_plan(connection: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Fill the connection's temporary table `plan` from tags and decisions; every new label in it is usable.

    Errors: BadInput for a run that is not flagged or was pruned, or a decision whose new label cannot be.
    """
    check_judged_by_rule(run)
    use_current_views(connection)
    connection.execute(filled("publishing/plan", run=literal(run.run_id), checksum=ROW_CHECKSUM))
    check_new_labels(connection, run, label_column(connection, run)[1])


def label_column(connection: duckdb.DuckDBPyConnection, run: Run) -> tuple[str, str]:
    """The label column's name and DuckDB type in the store."""
    stored = list(stored_columns(connection, run.data_table).items())
    name, kind = stored[run.schema.names.index(run.label)]
    return name, kind


def outcomes(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """The rows that do not simply pass: row_id, outcome, decision_id, reason, in the input's order."""
    return connection.sql(
        "SELECT row_id, outcome, decision_id, reason FROM plan WHERE outcome <> 'passed' ORDER BY position"
    ).to_arrow_table()
