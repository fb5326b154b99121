"""A Delta Lake table: a folder of Parquet files with a log, `_delta_log`, of which files are in it at which version.

A source may name a version, `zoo.delta@3`; an output is one commit.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.extras import needed

__all__ = ["LOG", "delta_table", "opened", "plainly"]

LOG = "_delta_log"
_VERSION = re.compile(r"^(?P<folder>.+)@(?P<version>\d+)$")


def delta_table(source: str | Path) -> tuple[Path, int | None] | None:
    """The folder and the version that a source names; None if it is no Delta table."""
    if (Path(source) / LOG).is_dir():
        return Path(source), None
    found = _VERSION.match(str(source))
    if found and not Path(source).exists() and (Path(found["folder"]) / LOG).is_dir():
        return Path(found["folder"]), int(found["version"])
    return None


def opened(folder: Path, version: int | None = None) -> Any:
    """deltalake's table, at a version or the latest."""
    library = needed("deltalake", "delta", f"the Delta table {folder}")
    with plainly(folder if version is None else f"{folder}@{version}"):
        return library.DeltaTable(str(folder), version=version)


@contextmanager
def plainly(name: object) -> Iterator[None]:
    """Say which table it was that could not be read or written."""
    errors = needed("deltalake.exceptions", "delta", "Delta Lake")
    try:
        yield
    except errors.CommitFailedError as error:
        raise CulpaError(f"somebody else wrote to {name} at the same time: publish again ({_said(error)})") from error
    except errors.DeltaError as error:
        raise BadInput(f"cannot use the Delta table {name}: {_said(error)}") from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split("\n")[0].split())
