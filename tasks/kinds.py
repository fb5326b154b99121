"""DuckDB's types in a few families, and how a column is read: for its hash, and as the number or text of its role."""

from typing import Literal

from culpa.tasks.sql import quoted

Family = Literal["integer", "float", "boolean", "string", "time", "duration", "uuid", "json", "nested", "bytes", "null"]
Role = Literal["numeric", "boolean", "categorical", "text", "timestamp"]

SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
WIDE = ("UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM")
WORDS: dict[str, Family] = {
    "BOOLEAN": "boolean",
    "VARCHAR": "string",
    "FLOAT": "float",
    "DOUBLE": "float",
    "DATE": "time",
    "TIME": "time",
    "INTERVAL": "duration",
    "UUID": "uuid",
    "JSON": "json",
    "BLOB": "bytes",
    "BIT": "bytes",
    '"NULL"': "null",
}


def family(kind: str) -> Family:
    """The family of a DuckDB type as DESCRIBE writes it.

    >>> family("DECIMAL(9,2)"), family("TIMESTAMP WITH TIME ZONE"), family("INTEGER[]"), family("ENUM('a', 'b')")
    ('float', 'time', 'nested', 'string')
    """
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT", "GEOMETRY")):
        return "nested"
    if kind in SIGNED or kind in WIDE:
        return "integer"
    if kind.startswith("ENUM"):
        return "string"
    if kind.startswith("TIME"):
        return "time"
    if kind.startswith("DECIMAL"):
        return "float"
    return WORDS.get(kind, "nested")


def comparable(column: str, kind: str) -> str:
    """The column in a type that does not depend on how wide the source made it: an int8 7 equals an int64 7."""
    name = quoted(column)
    if kind in SIGNED:
        return f"CAST({name} AS BIGINT)"
    if kind in WIDE:
        return f"CAST({name} AS VARCHAR)"
    if kind == "FLOAT":
        return f"CAST({name} AS DOUBLE)"
    if kind in ("TIMESTAMP_S", "TIMESTAMP_MS"):
        return f"CAST({name} AS TIMESTAMP)"
    return f"CAST({name} AS VARCHAR)" if kind.startswith("ENUM") else name


def as_role(name: str, kind: str, role: Role) -> str:
    """The column `name` (quoted, perhaps with its table's) as its role is read.

    DOUBLE for numeric, boolean and timestamp (seconds since 1970), VARCHAR for categorical and text.
    """
    if role in ("categorical", "text"):
        return f"({name} ->> '$')" if kind == "JSON" else f"CAST({name} AS VARCHAR)"
    if role == "timestamp":
        return as_seconds(name, kind)
    if family(kind) == "duration":
        return f"CAST(epoch({name}) AS DOUBLE)"
    return f"TRY_CAST({name} AS DOUBLE)"


def as_seconds(name: str, kind: str) -> str:
    """A point in time as seconds since 1970; a number is taken to be that already."""
    found = family(kind)
    if found in ("integer", "float", "boolean"):
        return f"CAST({name} AS DOUBLE)"
    return f"CAST(epoch({f'TRY_CAST({name} AS TIMESTAMP)' if found == 'string' else name}) AS DOUBLE)"
