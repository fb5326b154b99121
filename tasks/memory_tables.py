"""Tables in memory: pandas, polars, pyarrow, anything that hands out an Arrow stream.

An Arrow table is used as it is. Of a pandas frame a named index becomes columns, an unnamed one is left behind, and
NaN is a missing value. A column of Python objects of several types is refused, unless the user wants it as text.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from culpa.tasks.errors import BadInput


def arrow_table(table: Any, as_text: Sequence[str] = ()) -> tuple[pa.Schema, pa.Table]:
    """The exact schema of a table in memory, and the same rows in types that DuckDB reads."""
    arrow = _from_pandas(table, as_text) if _is_pandas(table) else pa.table(table)
    for field in arrow.schema:
        if pa.types.is_decimal256(field.type):
            raise BadInput(
                f"column {field.name!r} has the type {field.type}, wider than DuckDB's 38 digits: cast it before"
            )
    columns = [_readable(column) for column in arrow.columns]
    return arrow.schema, pa.table(columns, names=arrow.column_names)


def _readable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_float16(kind):
        return pc.cast(column, pa.float32())
    if pa.types.is_duration(kind):
        return pc.cast(column, pa.int64())
    if pa.types.is_dictionary(kind) and not pa.types.is_string(kind.value_type):
        return _readable(pc.cast(column, kind.value_type))
    if isinstance(kind, pa.BaseExtensionType):
        return _readable(pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type))
    return column


def _is_pandas(table: Any) -> bool:
    return type(table).__module__.partition(".")[0] == "pandas"


def _from_pandas(frame: Any, as_text: Sequence[str]) -> pa.Table:
    doubled = [str(name) for name in frame.columns[frame.columns.duplicated()]]
    if doubled:
        raise BadInput(f"the data frame has several columns named {doubled[0]!r}: rename them")
    named_index = any(name is not None for name in frame.index.names)
    try:
        return pa.Table.from_pandas(_with_text(frame, as_text), preserve_index=named_index)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise _mixed(frame) or BadInput(f"cannot read the data frame: {error}") from error


def _with_text(frame: Any, as_text: Sequence[str]) -> Any:
    """The frame with the mixed columns that the user wants as text turned into it."""
    mixed = [name for name in frame.columns if str(name) in as_text and len(_types(frame[name])) > 1]
    return frame.assign(**{name: frame[name].map(str, na_action="ignore") for name in mixed}) if mixed else frame


def _mixed(frame: Any) -> BadInput | None:
    for name in frame.columns:
        types = _types(frame[name])
        if len(types) > 1:
            column = frame[name].dropna()
            shown = [
                f"{kind} such as {next(v for v in column if type(v).__name__ == kind)!r} ({types[kind]:,})"
                for kind in types
            ]
            return BadInput(
                f"column {str(name)!r} mixes types: {', '.join(shown)}; make them one, or {override(str(name))}"
            )
    return None


def override(column: str) -> str:
    """What a user can do about a column of mixed types."""
    return (
        f"read all as names of categories with --categorical {column}, as text with --text {column}, "
        f"or leave it out with --ignore {column}"
    )


def _types(column: Any) -> Counter[str]:
    if column.dtype != object:
        return Counter()
    return Counter(type(value).__name__ for value in column.dropna())
