"""The files that a path, a glob or a folder stands for, and their format, told by the ending of their name."""

import glob
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TypeVar

from culpa.tasks.errors import BadInput
from culpa.tasks.nearest import nearest

AnyPath = TypeVar("AnyPath", bound=PurePath)  # of this machine, or of a store of files elsewhere
READERS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".duckdb": "duckdb",
    ".ddb": "duckdb",
    ".db": "duckdb",
}
COMPRESSED = (".gz", ".zst")
IN_FOLDERS = (".parquet", ".pq", ".csv", ".tsv", ".jsonl", ".ndjson")


def find_files(source: str | Path) -> list[Path]:
    """The files that a path, a glob or a folder stands for, sorted by name; never empty."""
    path = Path(source)
    if path.is_dir():
        return _files_of_folder(path)
    if path.exists():
        return [path]
    found = [Path(name) for name in sorted(glob.glob(str(source), recursive=True)) if Path(name).is_file()]
    if not found:
        raise BadInput(f"no such file: {source}{_beside(path)}")
    if len({format_of(one) for one in found}) > 1:
        formats = ", ".join(sorted({format_of(one) for one in found}))
        raise BadInput(f"{source} finds files of several formats ({formats}): name one")
    return found


def _files_of_folder(folder: Path) -> list[Path]:
    return tables_among([path for path in sorted(folder.rglob("*")) if path.is_file()], folder)


def tables_among(files: Sequence[AnyPath], folder: object) -> list[AnyPath]:
    """The files of a folder and the folders in it that can only be tables; hidden ones (._) are not looked at."""
    visible = [path for path in files if not path.name.startswith((".", "_"))]
    found = {ending: [path for path in visible if _ending(path) == ending] for ending in IN_FOLDERS}
    formats = sorted({READERS[ending] for ending, files in found.items() if files})
    if len(formats) > 1:
        raise BadInput(
            f"the folder {folder} holds files of several formats ({', '.join(formats)}): "
            f"name one, as in '{folder}/*.csv'"
        )
    if not formats:
        raise BadInput(f"the folder {folder} holds no file to read; known endings: {', '.join(IN_FOLDERS)}")
    return sorted(path for files in found.values() for path in files)


def format_of(file: PurePath) -> str:
    """parquet, csv, tsv, json or duckdb."""
    kind = READERS.get(_ending(file))
    if kind is None:
        raise BadInput(
            f"cannot tell the format of {file} by its name; known endings: {', '.join(READERS)} (the texts also .gz)"
        )
    return kind


def called(files: list[Path]) -> str:
    """What messages call these files."""
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def _ending(file: PurePath) -> str:
    name = file.name.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return Path(name).suffix


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent}"
    return nearest(path.name, [one.name for one in path.parent.iterdir()])
