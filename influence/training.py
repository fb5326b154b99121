"""Train: fit the proxies, judge every row out of sample, repeat without the rows most surely wrong while it pays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.ensemble import View, look
from culpa.influence.proxies import ProxyOptions, fit_proxies, proxy_names
from culpa.influence.proxy import Fitted, ProxyScores
from culpa.influence.rounds import State, run_rounds
from culpa.influence.rows import Rows

__all__ = ["Progress", "Trained", "train_proxies"]

Progress = Callable[[str, float], None]  # what is being done, and the fraction of it that is done


@dataclass(frozen=True)
class Trained:
    """The proxies after training, and what they think of every row. Can be pickled."""

    fitted: Mapping[str, Fitted]  # after the last round that paid
    scores: Mapping[str, ProxyScores]  # with all rows in the training: what memorization means
    view: View  # after the last round that paid
    keep: NDArray[np.bool_]  # (rows,) rows that took part in the last training
    rounds: list[dict[str, Any]]
    seed: int


def train_proxies(
    rows: Rows,
    *,
    proxy: str = "auto",
    seed: int,
    rounds: int = 3,
    options: ProxyOptions | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Fit a proxy, or with `auto` all three, and run up to `rounds` rounds of selective removal.

    Errors: ValueError for an unknown proxy, or for rows that no proxy can be fitted on (fewer than two classes).
    """
    names = proxy_names(proxy)
    _check(rows)
    tell = progress or (lambda what, done: None)
    steps = 1.0 + 2 * rounds
    done = 0

    def fit(
        names: tuple[str, ...], some: Rows, keep: NDArray[np.bool_], before: Mapping[str, Fitted] | None
    ) -> dict[str, Fitted]:
        nonlocal done
        found = {}
        for place, name in enumerate(names):
            tell(f"train {name}", min((done + place / len(names)) / steps, 0.99))
            found.update(fit_proxies((name,), some, keep, seed=seed, before=before, options=options))
        done += 1
        return found

    everybody = np.ones(len(rows), np.bool_)
    fitted = fit(names, rows, everybody, None)
    scores = {name: one.scores() for name, one in fitted.items()}
    start = State(everybody, fitted, look({name: one.without for name, one in scores.items()}, rows))
    end, records = run_rounds(rows, start, fit, rounds)
    tell("train", 1.0)
    return Trained(end.fitted, scores, end.view, end.keep, records, seed)


def _check(rows: Rows) -> None:
    """Refuse rows that no proxy can learn from."""
    if rows.classes == 1 or (rows.classes and len(np.unique(rows.labels)) < 2):
        raise ValueError(f"all {len(rows)} rows have one label: needed rows of two classes or more to tell apart")
    if len(rows) < 4:
        raise ValueError(f"{len(rows)} rows came, needed 4 or more: a row's influence is judged by the others")
