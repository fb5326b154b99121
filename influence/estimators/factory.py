"""A user's own model by name: MODULE:FACTORY, a function in a file beside the data, or anywhere Python finds it."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["load_factory"]

READ_FROM = "_culpa_read_from"  # which file a module was read from, and the time of its last change


def load_factory(name: str) -> Callable[..., Any]:
    """The callable that MODULE:FACTORY names; FACTORY may have dots. The current directory is looked in first.

    Errors: ValueError that says which part is wrong, and why.

    >>> load_factory("sklearn.linear_model:LogisticRegression").__name__
    'LogisticRegression'
    """
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise ValueError(
            f"{name!r} is no MODULE:FACTORY: name a module, a colon and a function in it, as in models:make"
        )
    found: Any = _module(module_name)
    for part in path.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{module_name} has no {path!r}{_near(part, found)}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(
            f"{name} is a {type(found).__name__}, needed something to call that makes a model: put it in a function"
        )
    factory: Callable[..., Any] = found
    return factory


def _module(name: str) -> ModuleType:
    """The module as its file is now: in a process that lives long, a file that was changed is read again."""
    try:
        with _from_here():
            return _fresh(name)
    except Exception as error:  # the user's module may fail in any way
        raise ValueError(
            f"the module {name!r} cannot be imported ({type(error).__name__}: {error}): start where its file lies, or "
            "install what it needs"
        ) from error


def _fresh(name: str) -> ModuleType:
    """Imported, or imported again where the file here is another one, or was changed since."""
    file = Path.cwd().joinpath(*name.split(".")).with_suffix(".py")
    changed = (str(file), file.stat().st_mtime_ns) if file.is_file() else None
    if changed is not None and getattr(sys.modules.get(name), READ_FROM, None) != changed:
        sys.modules.pop(name, None)
    module = importlib.import_module(name)
    setattr(module, READ_FROM, changed)
    return module


@contextmanager
def _from_here() -> Iterator[None]:
    """The current directory on the path, and afterwards the path as it was."""
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    importlib.invalidate_caches()  # the file may have been written just now
    try:
        yield
    finally:
        sys.path[:] = before


def _near(part: str, owner: Any) -> str:
    """Names like the one that is not there."""
    names = [one for one in dir(owner) if not one.startswith("_")]
    near = get_close_matches(part, names, n=3)
    return f": did you mean {', '.join(near)}?" if near else f"; it has {', '.join(names[:10]) or 'nothing'}"
