"""What sinks that are folders share: the files beside them, and whose folder it is.

A folder of Parquet that a publish wrote holds `_culpa.json`, which readers of Parquet pass over as they do everything
that begins with an underscore; a Delta table says it in its log. No other folder is ever replaced.
"""

import json
from pathlib import Path
from typing import Any

from culpa.tasks.delta import LOG, opened
from culpa.tasks.errors import BadInput
from culpa.tasks.places import Places

__all__ = ["DELTA", "PLAN", "RUN", "beside_folder", "check_folder", "is_folder", "layout_before", "mark"]

DELTA = ".delta"  # what the name of a Delta table to write ends in: the ending tells the format, as with files
RUN, PLAN = "culpa_run", "culpa_plan"  # the names of both in a commit's metadata
_MARK = "_culpa.json"


def is_folder(out: Path, partition_by: tuple[str, ...]) -> bool:
    """Whether an output of this name is a folder: partitioned, or a Delta table."""
    return bool(partition_by) or out.suffix == DELTA or bool(layout_before(out))


def beside_folder(folder: Path, *, weights: bool) -> Places:
    """`zoo` -> `zoo`, `zoo.quarantine.parquet`, `zoo.manifest.json`; `zoo.delta` -> `zoo.quarantine.parquet` too."""
    stem = folder.name.removesuffix(DELTA)
    quarantine, manifest, weighed = (
        folder.with_name(f"{stem}.{end}") for end in ("quarantine.parquet", "manifest.json", "weights.parquet")
    )
    return Places(folder, quarantine, manifest, weighed if weights else None)


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be made, and one that is there and that no publish wrote."""
    if not folder.parent.is_dir():
        raise BadInput(
            f"cannot write {folder}: the folder {folder.parent} does not exist; create it or name another --out"
        )
    if folder.is_file():
        raise BadInput(f"cannot write the folder {folder}: it is a file; name another with --out")
    if folder.is_dir() and any(folder.iterdir()) and not _is_ours(folder):
        raise BadInput(f"the folder {folder} is there already, and culpa did not write it: name another with --out")


def mark(folder: Path, run_id: str, columns: tuple[str, ...]) -> None:
    """Say in a folder of Parquet that a publish wrote it, and how it is laid out."""
    (folder / _MARK).write_text(json.dumps({"run": run_id, "partition_by": columns}) + "\n", encoding="utf-8")


def layout_before(folder: Path) -> tuple[str, ...]:
    """The columns by which a publish partitioned the folder; () if none did."""
    if (folder / LOG).is_dir():
        return tuple(opened(folder).metadata().partition_columns)
    return tuple(_marked(folder).get("partition_by", ()))


def _is_ours(folder: Path) -> bool:
    if (folder / LOG).is_dir():
        return any(RUN in commit for commit in opened(folder).history())
    return "run" in _marked(folder)


def _marked(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / _MARK).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}
