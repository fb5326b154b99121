"""The key column: every row needs a value of its own there."""

import duckdb

from culpa.tasks.errors import BadInput
from culpa.tasks.sql import quoted


def check_keys(connection: duckdb.DuckDBPyConnection, table: str, key: str, source: str) -> None:
    """Refuse a key with missing or repeated values, naming some of them."""
    name = quoted(key)
    sql = f"SELECT count(*) - count({name}) FROM {quoted(table)}"
    missing = connection.execute(sql).fetchall()[0][0]
    if missing:
        raise BadInput(
            f"the key {key!r} of {source} is missing in {missing:,} rows: fill it, or leave --key away to name "
            "rows by content"
        )
    sql = f"""SELECT CAST({name} AS VARCHAR), count(*) FROM {quoted(table)}
              GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC, 1"""
    doubled = connection.execute(sql).fetchall()
    if doubled:
        shown = ", ".join(f"{value!r} ({count} times)" for value, count in doubled[:5])
        more = ", ..." if len(doubled) > 5 else ""
        raise BadInput(
            f"the key {key!r} of {source} is not unique: {len(doubled):,} values occur more than once: {shown}{more}; "
            "choose another key, or leave --key away to name rows by content"
        )
