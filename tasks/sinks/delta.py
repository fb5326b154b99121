"""A Delta Lake table, told by the ending of its name, `cleaned.delta`: each publish that changes it is one commit.

The ending tells the format, as it does with every other file, so that the place stays one text. Readers see the version
before the commit or the one after. The commit's metadata names the run and its plan: where they are the same, nothing
is committed again. The quarantine is one Parquet file beside the table, and so is the manifest, which seals the
version. A Delta table has no order of rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from culpa.tasks.delta import LOG, opened, plainly
from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.extras import needed
from culpa.tasks.locations import Location
from culpa.tasks.outputs import Drafts, checksum, remove, sweep
from culpa.tasks.places import Places
from culpa.tasks.publishing import manifest
from culpa.tasks.publishing.sides import Drafted
from culpa.tasks.runs import Run
from culpa.tasks.sinks.fitting import check_fits, fitted
from culpa.tasks.sinks.folders import PLAN, RUN, beside_folder, check_folder
from culpa.tasks.sinks.partitioned import check_partitions
from culpa.tasks.sinks.read_back import check_same

__all__ = ["DeltaFolder"]


@dataclass(frozen=True)
class DeltaFolder:
    """The table, with quarantine and manifest beside it."""

    folder: Path
    run: Run
    columns: tuple[str, ...]  # that partition it
    weights: bool

    def __post_init__(self) -> None:
        needed("deltalake", "delta", f"the Delta table {self.folder}")
        check_fits(self.run.schema, fit, "Delta Lake")
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
        """By which columns, if any."""
        return {"partition_by": list(self.columns)} if self.columns else {}

    def places(self, work: Path) -> Places:
        """The clean rows are drafted as one file in the work folder, the rest beside its place."""
        sweep(self.folder.parent)
        return Places(work / "clean.parquet", self.final.quarantine, self.final.manifest, self.final.weights)

    def holds(self, said: dict[str, Any]) -> bool:
        """By the table's version and its files' checksums, and those of the files beside it."""
        try:
            sealed = manifest.seals(self.final.manifest.read_text(encoding="utf-8"), said)
            files = {role: path for role, path in self.final.sealed.items() if role != "clean"}
            return (
                sealed is not None
                and _contents(opened(self.folder)) == {name: sealed["clean"][name] for name in ("version", "sha256")}
                and all(sealed[role]["sha256"] == checksum(path) for role, path in files.items())
            )
        except (OSError, ValueError, LookupError, AttributeError, BadInput):
            return False

    def deliver(self, drafts: Drafts, drafted: Mapping[str, Drafted], said: dict[str, Any]) -> None:
        """Commit the clean rows unless the last commit was of this very run and plan, then let the rest appear."""
        marks = {RUN: self.run.run_id, PLAN: str(said["fingerprints"]["plan"])}
        if not self._is_committed(marks, drafted["clean"].path):
            self._commit(drafted["clean"].path, marks)
        sealed = manifest.seal(said, {role: (one.path, one.side) for role, one in drafted.items()})
        sealed["files"]["clean"] |= _contents(opened(self.folder))
        del sealed["files"]["clean"]["bytes"]
        drafts.draft(self.final.manifest).write_text(manifest.as_text(sealed), encoding="utf-8")
        drafts.place()

    def _is_committed(self, marks: dict[str, str], clean: Path) -> bool:
        if not (self.folder / LOG).is_dir():
            return False
        table = opened(self.folder)
        last = table.history(1)[0]
        try:
            if all(last.get(name) == value for name, value in marks.items()):
                check_same(clean, _rows(table), str(self.folder))
                return True
        except (CulpaError, OSError):  # a file of it was lost or changed
            pass
        return False

    def _commit(self, clean: Path, marks: dict[str, str]) -> None:
        library = needed("deltalake", "delta", "Delta Lake")
        before = opened(self.folder).version() if (self.folder / LOG).is_dir() else None
        rows, lost = fitted(clean, fit), []

        def told() -> Iterator[pa.RecordBatch]:
            """Keep an error of ours, of which the library would hand on the text alone."""
            try:
                yield from rows.batches
            except BadInput as error:
                lost.append(error)
                raise

        try:
            with plainly(self.folder):
                library.write_deltalake(
                    str(self.folder),
                    pa.RecordBatchReader.from_batches(rows.schema, told()),
                    mode="overwrite",
                    schema_mode="overwrite",
                    partition_by=list(self.columns) or None,
                    commit_properties=library.CommitProperties(custom_metadata=marks),
                )
            check_same(clean, _rows(opened(self.folder)), f"the Delta table {self.folder}")
        except CulpaError:
            self._undo(before)
            if lost:
                raise lost[0] from None
            raise

    def _undo(self, before: int | None) -> None:
        """Back to the version before; a table that was not there goes again."""
        if before is None:
            remove(self.folder)
        elif opened(self.folder).version() > before:
            opened(self.folder).restore(before)


def fit(kind: pa.DataType) -> pa.DataType | None:
    """The type in which Delta Lake takes a column; None if it has none that loses nothing."""
    if isinstance(kind, pa.BaseExtensionType):
        return fit(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return fit(kind.value_type)
    if pa.types.is_nested(kind):
        parts = [kind.field(place).type for place in range(kind.num_fields)]
        return kind if all(fit(part) == part for part in parts) else None
    if pa.types.is_duration(kind) or pa.types.is_interval(kind) or pa.types.is_time(kind):
        return None
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    return _SAID_AS.get(str(kind), kind)


_SAID_AS = {
    "date64[ms]": pa.date32(),
    "uint64": pa.decimal128(20, 0),
    "uint32": pa.int64(),
    "uint16": pa.int32(),
    "uint8": pa.int16(),
    "halffloat": pa.float32(),
    "null": pa.string(),
}


def _rows(table: Any) -> pa.RecordBatchReader:
    return table.to_pyarrow_dataset().scanner().to_reader()


def _contents(table: Any) -> dict[str, Any]:
    """The version, and one checksum for all files that are in it."""
    digests = sorted(checksum(Path(file)) for file in table.file_uris())
    return {"version": table.version(), "sha256": sha256("\n".join(digests).encode()).hexdigest()}
