"""Types that a table elsewhere has: what it cannot say is said in the nearest type that loses nothing, or refused."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from culpa.tasks.errors import BadInput

__all__ = ["Fitted", "check_fits", "fitted"]

ROWS = 65_536  # rows in memory at a time
Fit = Callable[[pa.DataType], pa.DataType | None]  # None: no type there can hold it


def check_fits(schema: pa.Schema, fit: Fit, where: str) -> None:
    """Refuse columns that `where` has no type for."""
    homeless = [f"{field.name} ({field.type})" for field in schema if fit(field.type) is None]
    if homeless:
        raise BadInput(f"{where} cannot hold the columns {', '.join(homeless)}: let --out end in .parquet")


@dataclass(frozen=True)
class Fitted:
    """The rows of a draft in types that fit, to be taken once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]  # raises BadInput at a value that would lose something


def fitted(file: Path, fit: Fit) -> Fitted:
    """Read a draft, a Parquet file, batch by batch."""
    opened = pq.ParquetFile(file)
    schema = pa.schema([field.with_type(fit(field.type)).remove_metadata() for field in opened.schema_arrow])
    return Fitted(schema, _batches(opened, schema))


def _batches(opened: pq.ParquetFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in opened.iter_batches(ROWS):
        try:
            columns = [_cast(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise BadInput(f"a value has no room there: {error}; let --out end in .parquet") from error
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    plain = column.storage if isinstance(column, pa.ExtensionArray) else column
    return plain if plain.type == kind else plain.cast(kind)
