"""In which type PostgreSQL takes a column of Arrow's, losing nothing of it."""

import pyarrow as pa

__all__ = ["fit"]


def fit(kind: pa.DataType) -> pa.DataType | None:
    """The type in which PostgreSQL takes a column; None if it has none that loses nothing."""
    if isinstance(kind, pa.BaseExtensionType):
        return fit(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return fit(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = fit(kind.value_type)
        return None if inner is None or pa.types.is_nested(inner) else pa.list_(inner)
    if pa.types.is_nested(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return None
    return _SAID_AS.get(str(kind), _by_family(kind))


_SAID_AS = {
    "date64[ms]": pa.date32(),
    "uint64": pa.decimal128(20, 0),
    "uint32": pa.int64(),
    "uint16": pa.int32(),
    "uint8": pa.int16(),
    "int8": pa.int16(),
    "halffloat": pa.float32(),
    "null": pa.string(),
}


def _by_family(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pa.types.is_time(kind):
        return pa.time64("us")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind) or pa.types.is_large_binary(kind):
        return pa.binary()
    return kind
