"""From the store to the matrix that models learn from: ordered rows, read by their roles, turned into features a
chunk at a time.

The features are fitted on the first rows in canonical order, a random sample, and written straight to a file that is
mapped into memory: the peak is one chunk and the sample, whatever the number of rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from culpa.influence.features import Features, Role, fit_features
from culpa.influence.rows import Rows
from culpa.tasks.errors import BadInput
from culpa.tasks.kinds import as_role
from culpa.tasks.runs import Run
from culpa.tasks.sql import filled, literal, quoted

FIT_ROWS = 200_000  # the features' scales and vocabularies are learnt from so many rows
TEXTS = ("categorical", "text")


@dataclass(frozen=True)
class Part:
    """One side of a run in its work folder: its rows, or the trusted ones."""

    folder: Path
    name: str  # "rows" or "reference"

    @property
    def columns(self) -> Path:
        """The ordered rows, read by their roles."""
        return self.folder / f"{self.name}.columns.parquet"

    @property
    def features(self) -> Path:
        """The matrix."""
        return self.folder / ("features.npy" if self.name == "rows" else "reference_features.npy")

    @property
    def names(self) -> Path:
        """Row ids, labels and groups, in the matrix's order."""
        return self.folder / f"{self.name}.parquet"


def order_rows(
    connection: duckdb.DuckDBPyConnection, run: Run, roles: dict[str, Role], types: dict[str, str], part: Part
) -> None:
    """Copy the labelled rows of one side from the store into its file of columns; feature i is the column `f<i>`."""
    trusted = part.name == "reference"
    table = run.reference_table if trusted else run.data_table
    columns = [
        f"{as_role('d.' + quoted(name), types[name], role)} AS f{place}"
        for place, (name, role) in enumerate(roles.items())
    ]
    sql = filled(
        "order_rows",
        group="CAST(r.position AS BIGINT)" if trusted else "r.duplicate_group",
        rows="reference_rows" if trusted else "rows",
        data=quoted(str(table)),
        run=literal(run.run_id),
        columns=", ".join(columns),
        file=literal(str(part.columns)),
    )
    connection.execute(sql)


def fit(part: Part, roles: dict[str, Role], seed: int) -> Features:
    """Fit the features on the first FIT_ROWS rows."""
    columns = _columns(next(_chunks(part, FIT_ROWS)), roles)
    try:
        return fit_features(columns, roles, seed=seed)
    except ValueError as error:
        raise BadInput(f"the columns cannot be turned into features: {error}") from error


def write_features(part: Part, plan: Features, roles: dict[str, Role], chunk_rows: int) -> None:
    """Write the matrix and the rows' names beside it, and let go of the columns."""
    rows = pq.ParquetFile(part.columns).metadata.num_rows
    matrix = np.lib.format.open_memmap(part.features, mode="w+", dtype=np.float32, shape=(rows, len(plan.names)))
    first = 0
    for chunk in _chunks(part, chunk_rows):
        matrix[first : first + chunk.num_rows] = plan.transform(_columns(chunk, roles))
        first += chunk.num_rows
    matrix.flush()
    pq.write_table(pq.read_table(part.columns, columns=["row_id", "given_label", "duplicate_group"]), part.names)
    part.columns.unlink()


def read_rows(part: Part, classes: tuple[str, ...]) -> tuple[Rows, NDArray[Any]]:
    """The rows of one side as the mathematics takes them, and their ids; the matrix stays in its file, mapped."""
    names = pq.read_table(part.names)
    groups = np.unique(names["duplicate_group"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    rows = Rows(np.load(part.features, mmap_mode="r"), _codes(names["given_label"], classes), len(classes), groups)
    return rows, names["row_id"].to_numpy()


def _codes(labels: pa.ChunkedArray, classes: tuple[str, ...]) -> NDArray[Any]:
    if not classes:
        return np.asarray(pc.cast(labels, pa.float64()).to_numpy())
    return np.asarray(pc.index_in(labels, pa.array(classes, pa.string())).to_numpy(), dtype=np.int64)


def _chunks(part: Part, rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of exactly `rows` rows, the last one shorter."""
    yield from pq.ParquetFile(part.columns).iter_batches(batch_size=rows)


def _columns(chunk: pa.RecordBatch, roles: dict[str, Role]) -> dict[str, NDArray[Any]]:
    return {name: _values(chunk.column(f"f{place}"), role) for place, (name, role) in enumerate(roles.items())}


def _values(column: pa.Array, role: Role) -> NDArray[Any]:
    """Numbers as float64 with NaN for missing, texts as an object array with None."""
    if role in TEXTS:
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
