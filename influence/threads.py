"""Work on the parts of an array in threads: numpy, scipy and scikit-learn's trees let go of the interpreter lock."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import joblib

__all__ = ["in_threads", "slices"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The work's results in the order of the items, made on as many threads as this process has processors."""
    items = list(items)
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(max_workers=joblib.cpu_count()) as pool:
        return list(pool.map(work, items))


def slices(length: int, step: int) -> Iterator[slice]:
    """Cut 0..length into slices of at most `step`.

    >>> list(slices(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(start, min(start + step, length)) for start in range(0, length, step))
