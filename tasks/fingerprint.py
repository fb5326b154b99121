"""The identity of a run: the same rows, trusted rows, settings and version of culpa always give the same run id."""

import json
import platform
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from culpa.tasks.settings import Settings

if TYPE_CHECKING:
    from culpa.tasks.read import Input

NAMED = ("culpa", "duckdb", "numpy", "scipy", "scikit-learn", "pyarrow", "pandas", "torch", "prefect")


def run_id_of(found: "Input", settings: Settings, onto: str | None = None) -> str:
    """The first 12 hex digits of the hash of everything that the answer depends on; where things lie plays no part.

    `onto` is the full run that a batch comes onto.
    """
    trusted = {reference.name: reference.fingerprint for reference in found.references}
    parts = [found.fingerprint, list(trusted.items()), settings.answer_settings(), version("culpa")]
    parts += [] if onto is None else [onto]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def versions() -> dict[str, str]:
    """What computed a run, for its record."""
    return {"python": platform.python_version()} | {name: found for name in NAMED if (found := _version(name))}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
