"""Rows read back from where they were written, held against the draft: as many, and each one there.

The checksum is the sum of a hash of each row, so the order plays no part. What comes back in another type is cast to
the draft's own first: a type may widen on its way, a value may not change.
"""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from culpa.tasks.errors import CulpaError
from culpa.tasks.sql import literal, quoted

__all__ = ["check_same", "plain_batches"]


def check_same(draft: Path, found: Any, where: str) -> None:
    """Compare the draft, a Parquet file, with what was `found`, SQL of a relation or an Arrow stream; by name."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = found
        if not isinstance(found, str):
            connection.register("found", plain_batches(found))
            relation = "found"
        sent = f"read_parquet({literal(str(draft))}, hive_partitioning = false)"
        types = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE SELECT * FROM {sent}").fetchall()}
        given, back = _weighed(connection, sent, types), _weighed(connection, relation, types)
    if given != back:
        raise CulpaError(
            f"{where} does not read back as it was written: {given[0]} rows (checksum {given[1]}) were sent, {back[0]} "
            f"(checksum {back[1]}) came back; nothing was published"
        )


def _weighed(connection: duckdb.DuckDBPyConnection, relation: str, types: dict[str, str]) -> tuple[int, int]:
    columns = ", ".join(f"CAST({quoted(name)} AS {kind})" for name, kind in types.items())
    try:
        found = connection.execute(
            f"SELECT count(*), coalesce(sum(CAST(hash({columns}) AS HUGEINT)), 0) FROM {relation}"
        ).fetchall()
    except duckdb.Error as error:
        raise CulpaError(
            f"what was written does not read back: {str(error).splitlines()[0]}; nothing was published"
        ) from error
    return int(found[0][0]), int(found[0][1])


def plain_batches(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The same batches without types that only Arrow knows: each by what it is stored as."""
    schema = pa.schema(
        [
            pa.field(
                field.name, field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
            )
            for field in reader.schema
        ]
    )
    return pa.RecordBatchReader.from_batches(
        schema,
        (
            pa.RecordBatch.from_arrays(
                [column.storage if isinstance(column, pa.ExtensionArray) else column for column in batch.columns],
                schema=schema,
            )
            for batch in reader
        ),
    )
