"""Writes into the store what its tables, views and columns mean, so that any SQL tool can show it."""

import duckdb

from culpa.tasks.sql import statement

__all__ = ["write_comments"]


def write_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """Give every table, view and column of ours its comment; what has it already is left alone."""
    found = connection.execute(statement("comments")).fetchall()
    connection.execute(";\n".join(comment for (comment,) in found))
