"""Are the data tables still what came in? Every row's hash, computed again from its columns."""

import json
from collections.abc import Iterator

import duckdb

from culpa.tasks.identity import Naming, row_hash
from culpa.tasks.profiles import columns_of
from culpa.tasks.sql import quoted

__all__ = ["changed_contents"]

Found = tuple[str, str, int, str | None]  # the problem, where, how many rows, one of them


def changed_contents(connection: duckdb.DuckDBPyConnection) -> Iterator[Found]:
    """Runs whose data are not there, and data tables with rows of another hash than their columns have."""
    there = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    runs = connection.execute(
        "SELECT run_id, data_table, reference_sets FROM runs WHERE keeps_data ORDER BY created_at, run_id"
    ).fetchall()
    for run_id, table, sets in runs:
        yield from _without_data(connection, run_id, "rows", table, there)
        for one in json.loads(sets):
            chosen = ("reference_rows", one["table"], there, one["name"])
            yield from _without_data(connection, run_id, *chosen)
    for table, naming in _namings(connection).items():
        if table in there:
            yield from _changed(connection, table, naming)


def _without_data(
    connection: duckdb.DuckDBPyConnection, run_id: str, rows: str, table: str, there: set[str], name: str | None = None
) -> Iterator[Found]:
    if table not in there:
        yield "no_data", f"run {run_id}, {table}", 1, None
        return
    which = "" if name is None else "AND r.reference = $name"
    values = {"run": run_id} if name is None else {"run": run_id, "name": name}
    found = connection.execute(
        f"""SELECT count(*), min(r.row_id) FROM {rows} r
            LEFT JOIN (SELECT __row_id, __row_hash, count(*) AS times FROM {quoted(table)} GROUP BY ALL) d
                ON d.__row_id = r.row_id AND d.__row_hash = r.row_hash
            WHERE r.run_id = $run {which} AND coalesce(d.times, 0) <> 1""",
        values,
    ).fetchall()
    if found[0][0]:
        yield "rows_without_data", f"run {run_id}, {table}", *found[0]


def _namings(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Naming]]:
    """For each data table the ways in which runs have named its rows."""
    found = connection.execute("SELECT data_table, reference_sets, label, key_column FROM runs WHERE keeps_data")
    namings: dict[str, list[Naming]] = {}
    for table, sets, label, key in found.fetchall():
        for one in (table, *(one["table"] for one in json.loads(sets))):
            naming = Naming(label, key, (), "")
            if naming not in namings.setdefault(one, []):
                namings[one].append(naming)
    return namings


def _changed(connection: duckdb.DuckDBPyConnection, table: str, namings: list[Naming]) -> Iterator[Found]:
    kinds = {name: kind for name, kind in columns_of(connection, table).items() if name not in OURS}
    usable = [naming for naming in namings if naming.label in kinds]
    hashes = [row_hash(kinds, naming if naming.key in kinds else _without_key(naming)) for naming in usable]
    if not hashes:
        return
    count, example = connection.execute(
        f"SELECT count(*), min(__row_id) FROM {quoted(table)} WHERE __row_hash NOT IN ({', '.join(hashes)})",
        {"names": "\n".join(sorted(kinds))},
    ).fetchall()[0]
    if count:
        yield "changed_content", table, count, example


def _without_key(naming: Naming) -> Naming:
    return Naming(naming.label, None, naming.features, naming.label_text)


OURS = ("__row_id", "__row_hash")
