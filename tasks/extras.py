"""Libraries that only some users need: imported where they are used, with an error that says how to get them."""

from importlib import import_module
from typing import Any

from culpa.tasks.errors import BadInput


def needed(module: str, extra: str, what: str) -> Any:
    """The module, or BadInput: which extra of culpa brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        missing = error.name or module
        raise BadInput(f"{what} needs the package {missing}: install culpa with its extra [{extra}]") from error
