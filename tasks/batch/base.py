"""The model of all accepted rows, kept beside the store from batch to batch: in `<store>.cache/bases/`.

Three files: `base.safetensors` (the model), `members.parquet` (the rows in it, by id, content and label) and
`sample.parquet` (the rows that its features were fitted on). Whatever people decided since, rows that joined or left
are found by comparing the members with what is accepted now. A folder that is gone, or has grown stale, costs one whole
fit: nothing else depends on it.
"""

import shutil
from collections.abc import Collection
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from culpa.influence.batches import Base
from culpa.tasks import outputs, prepare, private, work
from culpa.tasks.prepare import Part
from culpa.tasks.runs import Run

__all__ = [
    "QUERIES",
    "find",
    "forget",
    "is_kept",
    "joins",
    "keep",
    "load",
    "part",
    "sample",
    "sort_members",
    "sweep",
    "would_be_stale",
]

MODEL, MEMBERS, SAMPLE = "base.safetensors", "members.parquet", "sample.parquet"
SAME = "USING (row_id, row_hash, label)"
QUERIES = {
    "joining": f"SELECT a.*, false AS is_fresh FROM accepted a ANTI JOIN members {SAME}",
    "leaving": f"""SELECT row_id, row_hash, label, -row_number() OVER (ORDER BY row_id) AS duplicate_group,
                          false AS is_reference, '' AS run_id, 0 AS position, false AS is_fresh
                   FROM members ANTI JOIN accepted {SAME}""",
}


def find(store: Path, run: Run, seed: int) -> Path | None:
    """The folder of the model that is kept for the batch's data set; None where there is none that still holds."""
    kept_so_far = _root(store).glob(f"{_name(str(run.onto), seed)}.*/{MODEL}")
    found = sorted(kept_so_far, key=lambda file: file.stat().st_mtime)
    if not found:
        return None
    kept = _read(found[-1])
    return None if kept is None or kept.model.is_stale else found[-1].parent


def part(folder: Path, name: str, data: str = "") -> Part:
    """The rows that are joining or leaving, in the work folder."""
    return Part(folder, name, data, beside=True)


def sort_members(connection: duckdb.DuckDBPyConnection, kept: Path | None, folder: Path) -> None:
    """Bring the kept model into the work folder, and its members into a temporary table; note those to come."""
    members = "SELECT NULL::VARCHAR AS row_id, NULL::VARCHAR AS row_hash, NULL::VARCHAR AS label LIMIT 0"
    try:
        if kept is not None:
            connection.register("kept_members", pq.read_table(kept / MEMBERS))
            shutil.copyfile(kept / SAMPLE, part(folder, "sample").columns)
            shutil.copyfile(kept / MODEL, folder / MODEL)
            members = "SELECT * FROM kept_members"
    except (OSError, pa.ArrowException):  # another batch has just put its own in place of it: begin again
        forget(folder)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE members AS {members}")
    to_come = "SELECT row_id, row_hash, label FROM accepted UNION ALL SELECT row_id, row_hash, label FROM fresh"
    pq.write_table(connection.sql(to_come).to_arrow_table(), folder / MEMBERS)


def joins(folder: Path) -> bool:
    """Whether the batch will be scored by a model of all accepted rows, kept or begun with it."""
    return part(folder, "joining").features.is_file()


def is_kept(folder: Path) -> bool:
    """Whether a kept model was brought into the work folder."""
    return (folder / MODEL).is_file()


def would_be_stale(folder: Path, moving: int) -> bool:
    """Whether the model that was brought would be, after so many rows have joined and left."""
    found = load(folder)
    return found is None or replace(found.model, changed=found.model.changed + moving).is_stale


def forget(folder: Path) -> None:
    """Let the model begin again."""
    (folder / MODEL).unlink(missing_ok=True)
    part(folder, "sample").columns.unlink(missing_ok=True)


def sample(folder: Path) -> Part:
    """The rows that the features are fitted on: as kept, else the first of those that the model begins with."""
    found = part(folder, "sample")
    if not found.columns.is_file():
        first = next(prepare.chunks(part(folder, "joining"), prepare.FIT_ROWS))
        pq.write_table(pa.Table.from_batches([first]), found.columns)
    return found


def load(folder: Path) -> Base | None:
    """The model that was brought into the work folder; None where one has to begin."""
    file = folder / MODEL
    return _read(file) if file.is_file() else None


def keep(store: Path, run_id: str, onto: str, seed: int, folder: Path, base: Base) -> None:
    """Keep the model after a batch in place of the one before it."""
    final = _root(store) / f"{_name(onto, seed)}.{run_id}"
    draft = outputs.draft_of(final)
    private.new_folder(draft)
    outputs.sweep(draft.parent)
    try:
        with private.owner_only():
            save_file(base.arrays(), draft / MODEL)
            shutil.copyfile(folder / MEMBERS, draft / MEMBERS)
            shutil.copyfile(sample(folder).columns, draft / SAMPLE)
        earlier = [one for one in _root(store).glob(f"{onto}-*") if one.is_dir()]
        for one in earlier:
            shutil.rmtree(one, ignore_errors=True)
        draft.rename(final)
    except (OSError, SafetensorError):  # a full disk, or another batch was faster: the next one fits again
        shutil.rmtree(draft, ignore_errors=True)


def sweep(store: Path, roots: Collection[str]) -> int:
    """Take away the models kept for full runs other than `roots`, which no batch will ask for; gives their number."""
    kept = [one for one in _root(store).glob("[!.]*-*-*.*") if one.is_dir()]  # a hidden one is still being written
    gone = [one for one in kept if one.name.partition("-")[0] not in roots]
    for one in gone:
        shutil.rmtree(one, ignore_errors=True)
    return len(gone)


def _name(onto: str, seed: int) -> str:
    """What else the features depend on stands in the name: the seed, and how this version makes them."""
    return f"{onto}-{seed}-{version('culpa')}"


def _root(store: Path) -> Path:
    return work.kept_folder(store) / "bases"


def _read(file: Path) -> Base | None:
    try:
        return Base.of(load_file(file))
    except (OSError, SafetensorError, KeyError):
        return None
