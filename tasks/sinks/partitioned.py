"""A folder of Parquet partitioned by columns, `FOLDER/day=2024-05-01/part-0.parquet`: the layout that Hive began.

The columns that partition stand in the folders' names and not in the files, so their types are for the reader to
guess: text that looks like a number comes back as one unless the reader is told. The folder is written beside its
place, read back, and renamed; the one before it is moved aside first and removed after.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from culpa.tasks.errors import BadInput
from culpa.tasks.locations import Location
from culpa.tasks.nearest import nearest
from culpa.tasks.outputs import Drafts, sweep
from culpa.tasks.places import Places
from culpa.tasks.publishing import manifest
from culpa.tasks.publishing.sides import CHUNK_ROWS, Drafted
from culpa.tasks.runs import Run
from culpa.tasks.sinks.folders import beside_folder, check_folder, mark
from culpa.tasks.sinks.read_back import check_same
from culpa.tasks.sql import literal

__all__ = ["PartitionedFolder", "check_partitions"]

MOST_PARTITIONS = 10_000
FEWEST_ROWS = 1_024  # in a row group: bounds what waits in memory for each partition


@dataclass(frozen=True)
class PartitionedFolder:
    """The folder, with quarantine and manifest beside it."""

    folder: Path
    run: Run
    columns: tuple[str, ...]
    weights: bool

    def __post_init__(self) -> None:
        check_partitions(self.run.schema, self.columns)
        check_folder(self.folder)

    @property
    def final(self) -> Places:
        """Where everything ends up."""
        return beside_folder(self.folder, weights=self.weights)

    @property
    def shown(self) -> Mapping[str, Location]:
        """The same."""
        return {**self.final.sealed, "manifest": self.final.manifest}

    @property
    def layout(self) -> Mapping[str, Any]:
        """By which columns."""
        return {"partition_by": list(self.columns)}

    def places(self, work: Path) -> Places:
        """The clean rows are drafted as one file in the work folder, the rest beside its place."""
        sweep(self.folder.parent)
        return Places(work / "clean.parquet", self.final.quarantine, self.final.manifest, self.final.weights)

    def holds(self, said: dict[str, Any]) -> bool:
        """By the checksums of the files."""
        return manifest.still_holds(self.final.manifest, said, self.final.sealed)

    def deliver(self, drafts: Drafts, drafted: Mapping[str, Drafted], said: dict[str, Any]) -> None:
        """Divide the clean draft, read it back, and let everything appear."""
        clean = drafted["clean"]
        folder = drafts.draft(self.folder)
        self._divide(clean.path, folder)
        mark(folder, self.run.run_id, self.columns)
        if clean.side.rows:
            check_same(clean.path, _read(folder), f"the folder {self.folder}")
        files = {**drafted, "clean": Drafted(folder, clean.side)}
        sealed = manifest.seal(said, {role: (one.path, one.side) for role, one in files.items()})
        drafts.draft(self.final.manifest).write_text(manifest.as_text(sealed), encoding="utf-8")
        drafts.place()

    def _divide(self, file: Path, folder: Path) -> None:
        rows = pq.ParquetFile(file)
        by = ds.partitioning(pa.schema([rows.schema_arrow.field(name) for name in self.columns]), flavor="hive")
        folder.mkdir()
        try:
            ds.write_dataset(
                pa.RecordBatchReader.from_batches(rows.schema_arrow, rows.iter_batches(CHUNK_ROWS)),
                folder,
                format="parquet",
                partitioning=by,
                basename_template="part-{i}.parquet",
                max_partitions=MOST_PARTITIONS,
                min_rows_per_group=FEWEST_ROWS,
                max_rows_per_group=CHUNK_ROWS,
                use_threads=False,  # the rows of a partition keep the input's order
            )
        except pa.ArrowInvalid as error:
            raise BadInput(f"cannot partition by {', '.join(self.columns)}: {error}") from error


def check_partitions(schema: pa.Schema, columns: tuple[str, ...]) -> None:
    """Refuse columns that are not there or whose values make no name of a folder."""
    for name in columns:
        if name not in schema.names:
            raise BadInput(f"there is no column {name!r} (--partition-by){nearest(name, schema.names)}")
        if not _names_folders(schema.field(name).type):
            raise BadInput(
                f"cannot partition by {name!r}, which is {schema.field(name).type}: take text, whole numbers, "
                "booleans or dates"
            )
    if len(set(columns)) == len(schema):
        raise BadInput("cannot partition by every column: the files would hold none")


def _names_folders(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _names_folders(kind.value_type)
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_boolean, pa.types.is_date32)
    return any(is_one(kind) for is_one in texts)


def _read(folder: Path) -> str:
    """SQL that reads the folder, partitions as text: the draft's own types are cast to."""
    files = ", ".join(literal(str(file)) for file in sorted(folder.rglob("*.parquet")))
    return f"read_parquet([{files}], hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
