"""Who is told how far a step is: nobody, or bars on a terminal.

The watcher lies in a context variable, so that a flow's parameters stay what a user gave.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Progress = Callable[[str, float], None]  # (what is done, fraction done 0..1)


def _nobody(what: str, fraction: float) -> None:
    """Say nothing."""


_watcher: ContextVar[Progress] = ContextVar("watcher", default=_nobody)


def tell(what: str, fraction: float) -> None:
    """Tell whoever watches that `fraction` of `what` is done."""
    _watcher.get()(what, fraction)


@contextmanager
def watched_by(watcher: Progress) -> Iterator[None]:
    """Send what is told in this block to `watcher`."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


@contextmanager
def shown_on_terminal() -> Iterator[None]:
    """Draw bars on standard error while the block runs, if that is a terminal; they vanish at the end."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        shown: dict[str, TaskID] = {}

        def draw(what: str, fraction: float) -> None:
            if what not in shown:
                shown[what] = bars.add_task(what, total=1.0)
            bars.update(shown[what], completed=fraction)

        with watched_by(draw):
            yield
