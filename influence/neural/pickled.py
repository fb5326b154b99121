"""Trainings as bytes: a recipe's functions are pickled by value, since a lambda has no name to be found by."""

from typing import Any

import cloudpickle

__all__ = ["pickled", "unpickled"]


def pickled(value: object) -> bytes:
    """Any object, functions and modules of the user's in it."""
    found: bytes = cloudpickle.dumps(value)
    return found


def unpickled(content: bytes) -> Any:
    """The object again."""
    return cloudpickle.loads(content)
