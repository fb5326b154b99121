"""Rows from the store in exactly the types that the input had: what DuckDB widened or renamed is cast back."""

import pyarrow as pa
import pyarrow.compute as pc

from culpa.tasks.errors import CulpaError
from culpa.tasks.sql import quoted


def select_list(schema: pa.Schema, stored: list[str], relabelled: dict[str, str]) -> str:
    """The columns of `schema` from the stored ones at the same places, or from the SQL that replaces one."""
    return ", ".join(
        f"{relabelled.get(field.name) or 'data.' + quoted(name)} AS {quoted(f'c{place}')}"
        for place, (field, name) in enumerate(zip(schema, stored, strict=True))
    )


def restored(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The same rows with the input's schema: names, types, nullability and metadata."""
    columns = [_cast(column, field) for column, field in zip(table.columns, schema, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema)


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    try:
        return _cast_to(column, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise CulpaError(
            f"cannot give column {field.name!r} its type {field.type} back from {column.type}: {error}; "
            "write such columns as another type before cleaning"
        ) from error


def _cast_to(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if pa.types.is_null(kind):
        return pa.chunked_array([pa.nulls(len(column))], kind)
    if isinstance(kind, pa.BaseExtensionType):
        storage = _cast_to(column, kind.storage_type)
        return pa.chunked_array([kind.wrap_array(chunk) for chunk in storage.chunks], kind)
    if pa.types.is_dictionary(kind):
        return _encoded(_cast_to(column, kind.value_type), kind)
    if pa.types.is_duration(kind):
        return pc.cast(pc.cast(column, pa.int64()), kind)  # the store keeps the count of the type's own unit
    return pc.cast(column, kind)


def _encoded(column: pa.ChunkedArray, kind: pa.DictionaryType) -> pa.ChunkedArray:
    plain = pc.dictionary_encode(column).combine_chunks()
    chunk = plain.chunk(0) if isinstance(plain, pa.ChunkedArray) else plain
    indices = pc.cast(chunk.indices, kind.index_type)
    return pa.chunked_array([pa.DictionaryArray.from_arrays(indices, chunk.dictionary, ordered=kind.ordered)], kind)
