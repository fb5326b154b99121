"""Work with many estimators at once, where that is safe.

scikit-learn's own may be trained and asked in threads; a user's, who knows. Those that take n_jobs come in turn: they
share out their work themselves, and change the process's filters of warnings meanwhile. None of scikit-learn's then
starts threads below: where those of several models meet, they wait on each other (ten boosted trees on 600 rows, two
busy processors: 10 seconds alone, .2 seconds so).
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from culpa.influence.threads import in_threads

__all__ = ["side_by_side"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], *, like: Any) -> list[Result]:
    """The work's results in the order of the items: in threads where an estimator `like` theirs allows it.

    The limit on BLAS is the process's, that on OpenMP each thread's.
    """
    parts: dict[str, Any] = like.get_params() if hasattr(like, "get_params") else {}
    if not _is_scikits_own(like, parts):
        return [work(item) for item in items]
    pools = ThreadpoolController()

    def alone(item: Item) -> Result:
        with pools.limit(limits=1, user_api="openmp"):
            return work(item)

    with pools.limit(limits=1, user_api="blas"):
        if any(name.split("__")[-1] == "n_jobs" for name in parts):
            return [alone(item) for item in items]
        return in_threads(alone, items)


def _is_scikits_own(estimator: Any, parts: dict[str, Any]) -> bool:
    """Whether an estimator and all that it is made of are scikit-learn's."""
    every = [estimator, *(part for part in parts.values() if hasattr(part, "fit"))]
    return all(type(one).__module__.startswith("sklearn.") for one in every)
