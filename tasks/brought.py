"""A user's own proxy, looked at before any work: does it load, does the method exist, and which code was it?"""

import inspect
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from culpa.tasks.errors import BadInput
from culpa.tasks.nearest import nearest

if TYPE_CHECKING:
    from culpa.tasks.settings import Settings

__all__ = ["check_proxy", "code_of"]


def check_proxy(settings: "Settings") -> None:
    """Refuse a proxy that cannot be loaded, and a method or layers for a proxy that is no network.

    Errors: BadInput. Torch is imported only where a network is asked for.
    """
    if settings.judge is not None:
        _load(settings.judge, "judge")
    if ":" in settings.proxy:
        _load(settings.proxy)
    elif settings.proxy != "text" and (settings.method or settings.layers):
        raise BadInput(
            f"--method and --layers are for networks, and the proxy is {settings.proxy}: take --proxy text or "
            "--proxy MODULE:FACTORY"
        )
    if settings.method is not None:
        _check_method(settings.method)


def code_of(model: str) -> str | None:
    """SHA-256 of the file that a user's factory comes from: another file is another run. None for built-in proxies."""
    if ":" not in model:
        return None
    file = inspect.getsourcefile(inspect.unwrap(_load(model)))
    return None if file is None else sha256(Path(file).read_bytes()).hexdigest()


def _load(model: str, option: str = "proxy"):  # type: ignore[no-untyped-def]
    from culpa.influence.estimators import load_factory

    try:
        return load_factory(model)
    except ValueError as error:
        raise BadInput(f"--{option} {model}: {error}") from error


def _check_method(method: str) -> None:
    from culpa.influence.attribution import METHODS

    if method not in METHODS:
        raise BadInput(f"no method is called {method!r}{nearest(method, list(METHODS))}; `culpa methods` lists them")
