"""A table or a query of a PostgreSQL database, as one snapshot in a Parquet file, batch by batch.

A table comes in the order of its primary key, so that the same rows are the same run. `numeric(p, s)` stays exact; a
numeric of no declared size becomes double precision. What Arrow has no type for (enums, uuid, json, intervals) is text.
"""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from culpa.tasks.errors import BadInput
from culpa.tasks.fetching.brought import Brought
from culpa.tasks.nearest import nearest
from culpa.tasks.postgres import rows_of, session
from culpa.tasks.sql import literal, quoted

__all__ = ["fetch_table"]

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
TABLES = """
    SELECT n.nspname, c.relname, pg_table_is_visible(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY 1, 2"""
PRIMARY_KEY = """
    SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indisprimary AND i.indrelid = CAST({table} AS regclass)
    ORDER BY array_position(CAST(i.indkey AS int2[]), a.attnum)"""


def fetch_table(url: str, table: str | None, folder: Path) -> Brought:
    """Bring a table by its name, or what a query gives; the name can also stand in the URL, behind a #."""
    chosen = table or unquote(urlsplit(url).fragment) or None
    file = folder / "table.parquet"
    with session(url, SNAPSHOT) as cursor:
        relation, order = _relation(cursor, urldefrag(url).url, chosen)
        cursor.execute(f"SELECT * FROM {relation} LIMIT 0")
        fields = list(cursor.fetch_record_batch().schema)
        if not fields:
            raise BadInput(f"{urldefrag(url).url} ({chosen}) has no columns: nothing to clean")
        cursor.execute(f"SELECT {', '.join(map(_asked, fields))} FROM {relation}{order}")
        _write(cursor.fetch_record_batch(), [_decimal(field) for field in fields], file)
    return Brought(url, [file], {str(file): url})


def _relation(cursor: Any, url: str, chosen: str | None) -> tuple[str, str]:
    """What to put after FROM, and the ORDER BY of a table that has a primary key."""
    tables = {f"{schema}.{name}": (schema, name) for schema, name, _ in rows_of(cursor, TABLES)}
    bare = {name: (schema, name) for schema, name, visible in rows_of(cursor, TABLES) if visible}
    if chosen is None and len(tables) != 1:
        raise BadInput(
            f"{url} has {len(tables)} tables ({', '.join([*tables][:10])}): choose one, or give a query, with --table"
        )
    named = next(iter(tables.values())) if chosen is None else (tables | bare).get(chosen)
    if named is not None:
        table = ".".join(map(quoted, named))
        key = [quoted(name) for (name,) in rows_of(cursor, PRIMARY_KEY.format(table=literal(table)))]
        return table, f" ORDER BY {', '.join(key)}" if key else ""
    if chosen is None or " " not in chosen.strip():
        raise BadInput(f"{url} has no table {chosen!r}{nearest(str(chosen), [*bare, *tables])}")
    return f"({chosen.strip().rstrip(';')}) AS asked", ""


def _asked(field: pa.Field) -> str:
    name = quoted(field.name)
    if _kind(field) == "numeric":
        return name if _decimal(field) is not None else f"CAST({name} AS double precision) AS {name}"
    return f"CAST({name} AS text) AS {name}" if _is_foreign(field.type) else name


def _is_foreign(kind: pa.DataType) -> bool:
    """Whether Arrow has the bytes of a value, and no type that says what they mean."""
    if pa.types.is_list(kind):
        return _is_foreign(kind.value_type)
    return isinstance(kind, pa.BaseExtensionType) or pa.types.is_interval(kind)


def _decimal(field: pa.Field) -> pa.DataType | None:
    """The type of a numeric column of a declared size, which comes as text; None for every other."""
    if _kind(field) != "numeric":
        return None
    modifier = int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1")) - 4
    precision, scale = modifier >> 16 & 0xFFFF, modifier & 0x7FF
    return pa.decimal128(precision, scale) if modifier >= 0 and 0 <= scale <= precision <= 38 else None


def _kind(field: pa.Field) -> str:
    return (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()  # type: ignore[no-any-return]


def _write(batches: pa.RecordBatchReader, decimals: list[pa.DataType | None], file: Path) -> None:
    fields = [
        pa.field(field.name, exact or _storage(field.type))
        for field, exact in zip(batches.schema, decimals, strict=True)
    ]
    with pq.ParquetWriter(file, pa.schema(fields)) as writer:
        for batch in batches:
            columns = [_cast(column, field) for column, field in zip(batch.columns, fields, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields)))


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _cast(column: pa.Array, field: pa.Field) -> pa.Array:
    plain = column.storage if isinstance(column, pa.ExtensionArray) else column
    try:
        return pc.cast(plain, field.type)
    except pa.ArrowInvalid as error:
        raise BadInput(
            f"column {field.name!r} holds a value that {field.type} has no room for ({error}): "
            f"read it by a query that casts it, with --table"
        ) from error
