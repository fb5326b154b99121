"""Rows by their names: which data set a row lies in, and which names come nearest to one that nobody knows."""

import duckdb

from culpa.tasks.errors import BadInput


def nearest_rows(connection: duckdb.DuckDBPyConnection, row_id: str, dataset: str | None = None) -> str:
    """The three known names nearest to `row_id` by letters changed, as text; empty in an empty store."""
    found = connection.execute(
        """SELECT r.row_id FROM rows r JOIN runs u USING (run_id) WHERE u.dataset = coalesce($dataset, u.dataset)
           GROUP BY r.row_id ORDER BY levenshtein(r.row_id, $row_id), r.row_id LIMIT 3""",
        {"row_id": row_id, "dataset": dataset},
    )
    return ", ".join(name for (name,) in found.fetchall())


def dataset_of(connection: duckdb.DuckDBPyConnection, row_id: str, dataset: str | None = None) -> str:
    """The data set whose runs have seen the row; BadInput if none has, or several."""
    found = connection.execute(
        """SELECT DISTINCT u.dataset FROM rows r JOIN runs u USING (run_id)
           WHERE r.row_id = $row_id AND u.dataset = coalesce($dataset, u.dataset) ORDER BY u.dataset""",
        {"row_id": row_id, "dataset": dataset},
    )
    names = [name for (name,) in found.fetchall()]
    if len(names) > 1:
        raise BadInput(f"row {row_id!r} lies in several data sets ({', '.join(names)}): name one with --dataset")
    if not names:
        near = nearest_rows(connection, row_id, dataset) or "the store holds no row yet"
        raise BadInput(f"no run has seen a row {row_id!r}; nearest: {near}")
    return str(names[0])
