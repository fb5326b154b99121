"""What a column holds, in a few numbers, measured for all columns in one pass of SQL per hundred of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from culpa.tasks.kinds import Family, family
from culpa.tasks.sql import quoted

COLUMNS_A_QUERY = 100


@dataclass(frozen=True)
class Profile:
    """The numbers of one column; those that make no sense for its family are zero."""

    name: str
    kind: str  # DuckDB's type
    rows: int
    filled: int  # values that are neither NULL nor NaN
    distinct: int  # approximate number of different values, off by a few percent
    constant: bool  # all filled values are the same
    infinite: int = 0
    low: float = 0.0
    high: float = 0.0
    numbers: int = 0  # texts that read as numbers
    pointed: int = 0  # texts with a decimal point
    spaced: int = 0  # texts with white space inside
    words: float = 0.0  # mean number of words
    length: float = 0.0  # mean number of characters
    ascii: bool = True

    @property
    def family(self) -> Family:
        """The family of the column's type."""
        return family(self.kind)


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """The columns of a table in order, with DuckDB's types."""
    return {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {quoted(table)}").fetchall()}


def measure(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]) -> dict[str, Profile]:
    """The profiles of these columns of a table."""
    kinds = columns_of(connection, table)
    found: dict[str, Profile] = {}
    for some in _batched(list(columns), COLUMNS_A_QUERY):
        parts = ", ".join(_numbers(quoted(name), kinds[name]) for name in some)
        rows, *numbers = connection.execute(f"SELECT count(*), {parts} FROM {quoted(table)}").fetchall()[0]
        found |= {name: _profile(name, kinds[name], rows, one) for name, one in zip(some, numbers, strict=True)}
    return found


def is_unique(connection: duckdb.DuckDBPyConnection, table: str, profile: Profile) -> bool:
    """Whether no value occurs twice and none is missing; counted exactly where the approximate count allows it."""
    if profile.filled < profile.rows or profile.distinct < 0.8 * profile.rows:
        return False
    sql = f"SELECT count(DISTINCT {quoted(profile.name)}) FROM {quoted(table)}"
    return bool(connection.execute(sql).fetchall()[0][0] == profile.rows)


def _profile(name: str, kind: str, rows: int, numbers: dict[str, Any]) -> Profile:
    return Profile(name, kind, rows, **{key: value for key, value in numbers.items() if value is not None})


def _numbers(column: str, kind: str) -> str:
    parts = {"filled": f"count({column})", "distinct": f"approx_count_distinct({column})"}
    parts["constant"] = f"coalesce(min({column}) = max({column}), true)"
    found = family(kind)
    if found in ("nested", "null"):
        parts |= {"distinct": "0", "constant": "false"}
    if found in ("integer", "float"):
        parts |= {"low": f"CAST(min({column}) AS DOUBLE)", "high": f"CAST(max({column}) AS DOUBLE)"}
    if kind in ("FLOAT", "DOUBLE"):
        parts["infinite"] = f"countif(isinf({column}))"  # a FILTER on each of many columns costs twenty times as much
        parts["filled"] = f"count({column}) - countif(isnan({column}))"
        parts["constant"] = f"countif(isnan({column})) = 0 AND coalesce(min({column}) = max({column}), true)"
    if kind == "VARCHAR":
        parts["infinite"] = f"countif(isinf(TRY_CAST({column} AS DOUBLE)))"
        parts["numbers"] = f"count(TRY_CAST({column} AS DOUBLE))"
        parts["pointed"] = f"countif(contains({column}, '.'))"
        parts["spaced"] = f"countif(contains(trim({column}), ' '))"
        parts["words"] = f"avg(1 + length(trim({column})) - length(replace(trim({column}), ' ', '')))"
        parts["length"] = f"avg(length({column}))"
        parts["ascii"] = f"bool_and(strlen({column}) = length({column}))"
    return "{" + ", ".join(f"'{key}': {sql}" for key, sql in parts.items()) + "}"


def _batched(names: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]
