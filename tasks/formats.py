"""File formats of the cleaned data: Parquet, CSV, TSV and JSON lines, all but Parquet also gzipped, written in batches.

Parquet keeps the schema with its metadata; the others keep what their format can say. Nothing depends on the clock:
the same rows give the same bytes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path, PurePath
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from culpa.tasks.errors import BadInput
from culpa.tasks.sql import literal, quoted

ENDINGS = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")


class TableWriter(Protocol):
    """Takes the tables of one file, one after the other."""

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


def ending(path: PurePath) -> str:
    """The part of the name that tells the format; BadInput names the formats there are."""
    name = path.name.lower()
    for one in sorted(ENDINGS, key=len, reverse=True):
        if name.endswith(one) and len(name) > len(one):
            return one
    raise BadInput(f"cannot tell the format of {path.name!r}: let --out end in one of {', '.join(ENDINGS)}")


def check_can_hold(path: Path, schema: pa.Schema) -> None:
    """Refuse columns that the format has no way to write."""
    nested = [field.name for field in schema if pa.types.is_nested(field.type)]
    if nested and ending(path).startswith((".csv", ".tsv")):
        raise BadInput(
            f"{ending(path)} cannot hold the nested columns {', '.join(nested)}: let --out end in .parquet or .jsonl"
        )


@contextmanager
def writing(draft: Path, final: Path, schema: pa.Schema) -> Iterator[TableWriter]:
    """A file being written at `draft` in the format that its final name asks for, closed at the end of the block."""
    with ExitStack() as opened:
        yield _begin(draft, ending(final), schema, opened)


def _begin(draft: Path, kind: str, schema: pa.Schema, opened: ExitStack) -> TableWriter:
    if kind == ".parquet":
        return opened.enter_context(pq.ParquetWriter(draft, schema))  # type: ignore[no-any-return]
    sink = opened.enter_context(pa.OSFile(str(draft), "wb"))
    if kind.endswith(".gz"):
        sink = opened.enter_context(pa.CompressedOutputStream(sink, "gzip"))
    if kind.startswith((".csv", ".tsv")):
        return opened.enter_context(closing(Delimited(sink, schema, "\t" if kind.startswith(".tsv") else ",")))
    return opened.enter_context(closing(JsonLines(sink)))


class Delimited:
    """CSV or TSV; a missing value is an empty field, an empty text is \"\"."""

    def __init__(self, sink: Any, schema: pa.Schema, delimiter: str) -> None:
        """Write the header."""
        self._schema = pa.schema([field.with_type(_spoken(field.type)) for field in schema])
        self._writer = pyarrow.csv.CSVWriter(
            sink, self._schema, write_options=pyarrow.csv.WriteOptions(delimiter=delimiter)
        )

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        self._writer.write_table(table.cast(self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


class JsonLines:
    """One JSON object a line; numbers that JSON cannot say (NaN, infinities) become null."""

    def __init__(self, sink: Any) -> None:
        """Write to `sink`, through a DuckDB in memory that knows how to say every type in JSON."""
        self._sink = sink
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        self._connection.register("batch", table)
        pairs = ", ".join(f"{literal(field.name)}, {_sayable(field)}" for field in table.schema)
        lines = self._connection.sql(
            f"SELECT CAST(json_object({pairs}) AS VARCHAR) AS line FROM batch"
        ).to_arrow_table()
        self._sink.write(("\n".join(lines.column(0).to_pylist()) + "\n").encode())
        self._connection.unregister("batch")

    def close(self) -> None:
        """Let go of the memory; the sink belongs to the caller."""
        self._connection.close()


def _spoken(kind: pa.DataType) -> pa.DataType:
    """The type whose text stands for a value in CSV: a dictionary's value, a view's plain string."""
    if pa.types.is_dictionary(kind):
        return _spoken(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return kind


def _sayable(field: pa.Field) -> str:
    name = quoted(field.name)
    return f"CASE WHEN isfinite({name}) THEN {name} END" if pa.types.is_floating(field.type) else name
