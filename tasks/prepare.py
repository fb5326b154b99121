"""From the store to the matrix that models learn from: ordered rows, read by their roles, turned into features a
chunk at a time.

The features are fitted on the first rows in canonical order, a random sample, and written straight to a file that is
mapped into memory: the peak is one chunk and the sample, whatever the number of rows.
"""

import json
import re
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
VOCABULARY = "words.json"
COLUMNS = "columns.json"
FEATURE = re.compile(r"^f\d+$")  # the name of a column that becomes features
ROWS = ""  # the name of the side that is to be cleaned


@dataclass(frozen=True)
class Part:
    """One side of a run in its work folder: its rows, or a set of reference rows."""

    folder: Path
    name: str  # ROWS, or the name of a set of reference rows
    data: str = ""  # the table of their columns in the store
    beside: bool = False  # rows of neither kind, that a batch needs

    @property
    def is_reference(self) -> bool:
        """Whether it is a set of reference rows."""
        return self.name != ROWS

    @property
    def file(self) -> str:
        """How the names of its files begin."""
        if self.beside:
            return f"beside.{self.name}"
        return f"reference.{self.name}" if self.is_reference else "rows"

    @property
    def columns(self) -> Path:
        """The ordered rows, read by their roles."""
        return self.folder / f"{self.file}.columns.parquet"

    @property
    def features(self) -> Path:
        """The matrix."""
        return self.folder / f"{self.file}.features.npy"

    @property
    def tokens(self) -> Path:
        """The tokens of the rows' texts, where a proxy reads."""
        return self.folder / f"{self.file}.tokens.npy"

    @property
    def names(self) -> Path:
        """Row ids, labels and groups, in the matrix's order."""
        return self.folder / f"{self.file}.parquet"


def order_rows(
    connection: duckdb.DuckDBPyConnection, run: Run, roles: dict[str, Role], types: dict[str, str], part: Part
) -> None:
    """Copy the labelled rows of one side from the store into its file of columns; feature i is the column `f<i>`."""
    sql = filled(
        "order_rows",
        group="CAST(r.position AS BIGINT)" if part.is_reference else "r.duplicate_group",
        rows="reference_rows" if part.is_reference else "rows",
        chosen=f"r.reference = {literal(part.name)}" if part.is_reference else "true",
        data=quoted(part.data),
        run=literal(run.run_id),
        columns=column_list(roles, types),
        file=literal(str(part.columns)),
    )
    connection.execute(sql)


def column_list(roles: dict[str, Role], types: dict[str, str]) -> str:
    """The columns of the data table `d` read by their roles, in SQL: feature i as `f<i>`."""
    return ", ".join(
        f"{as_role('d.' + quoted(name), types[name], role)} AS f{place}"
        for place, (name, role) in enumerate(roles.items())
    )


def fit(part: Part, roles: dict[str, Role], seed: int) -> Features:
    """Fit the features on the first FIT_ROWS rows."""
    columns = _columns(next(chunks(part, FIT_ROWS)), roles)
    try:
        return fit_features(columns, roles, seed=seed)
    except ValueError as error:
        raise BadInput(f"the columns cannot be turned into features: {error}") from error


def write_features(part: Part, plan: Features, roles: dict[str, Role], chunk_rows: int) -> None:
    """Write the matrix and the rows' names beside it, and let go of the columns."""
    rows = pq.ParquetFile(part.columns).metadata.num_rows
    matrix = np.lib.format.open_memmap(part.features, mode="w+", dtype=np.float32, shape=(rows, len(plan.names)))
    first = 0
    for chunk in chunks(part, chunk_rows):
        matrix[first : first + chunk.num_rows] = plan.transform(_columns(chunk, roles))
        first += chunk.num_rows
    matrix.flush()
    known = [name for name in pq.read_schema(part.columns).names if not FEATURE.match(name)]
    pq.write_table(pq.read_table(part.columns, columns=known), part.names)
    part.columns.unlink()


def note_columns(folder: Path, plan: Features) -> None:
    """Note which column each feature is made of."""
    names = list(plan.parts)
    made_of = [place for place, part in enumerate(plan.parts.values()) for _ in part.names]
    (folder / COLUMNS).write_text(json.dumps({"names": names, "made_of": made_of}), encoding="utf-8")


def columns_of_features(folder: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Names of columns, and the place among them of the one that each feature is made of, (features,)."""
    found = json.loads((folder / COLUMNS).read_text(encoding="utf-8"))
    return found["names"], np.array(found["made_of"], np.int64)


def read_rows(part: Part, classes: tuple[str, ...]) -> tuple[Rows, NDArray[Any]]:
    """The rows of one side as the mathematics takes them, and their ids; the matrix stays in its file, mapped."""
    names = pq.read_table(part.names)
    groups = np.unique(names["duplicate_group"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    features, labels = np.load(part.features, mmap_mode="r"), _codes(names["given_label"], classes)
    read = np.load(part.tokens, mmap_mode="r") if part.tokens.is_file() else None
    rows = Rows(features, labels, len(classes), groups, read, len(words_of(part.folder)))
    return rows, names["row_id"].to_numpy()


def words_of(folder: Path) -> tuple[str, ...]:
    """The words of a run's texts in token order; none where no proxy reads."""
    file = folder / VOCABULARY
    return tuple(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else ()


def _codes(labels: pa.ChunkedArray, classes: tuple[str, ...]) -> NDArray[Any]:
    if not classes:
        return np.asarray(pc.cast(labels, pa.float64()).to_numpy())
    return np.asarray(pc.index_in(labels, pa.array(classes, pa.string())).to_numpy(), dtype=np.int64)


def chunks(part: Part, rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of exactly `rows` rows, the last one shorter."""
    yield from pq.ParquetFile(part.columns).iter_batches(batch_size=rows)


def _columns(chunk: pa.RecordBatch, roles: dict[str, Role]) -> dict[str, NDArray[Any]]:
    return {name: _values(chunk.column(f"f{place}"), role) for place, (name, role) in enumerate(roles.items())}


def _values(column: pa.Array, role: Role) -> NDArray[Any]:
    """Numbers as float64 with NaN for missing, texts as an object array with None."""
    if role in TEXTS:
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
