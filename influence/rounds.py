"""Rounds of selective removal: take the rows most surely wrong out of the training, fit again, judge all rows again.

A round may hurt: with weak proxies it throws out the hard rows with the wrong ones. So it is kept only if it explains
the labels as they are written, all of them, the removed ones too, significantly better: a larger log-likelihood of
the given labels under the out-of-sample view and its noise model, two standard errors of the paired differences above
nought. No trusted rows are needed. Two removals are tried, as many rows as the posterior expects to be wrong, and
every row that the average contradicts: under class-dependent noise the first view explains the noise as chance,
expects few wrong labels, and only the second escapes. For each, the new view alone and its average with the view
before stand for election. With many rows the removals are first tried on a sample, and only the one that paid there
is tried on all. Measured (`tests/benchmarks/detection.py`): kept for pairwise noise, where it lifts average
precision; refused for labels by keyword rules with a weak text model, where it would lower it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.ensemble import View, average, look
from culpa.influence.proxy import Fitted
from culpa.influence.rows import Rows

__all__ = ["State", "run_rounds"]

PAYS = 2.0  # standard errors that the likelihood must gain
MOST_OF_A_CLASS = 0.6  # a round never removes more of any class
LEAST_KEPT = 2  # rows of a class that stay, however wrong they look

TRIAL_ROWS = 50_000  # more rows than twice this are tried on so many first

Fit = Callable[[Rows, NDArray[np.bool_], Mapping[str, Fitted] | None], dict[str, Fitted]]


@dataclass(frozen=True)
class State:
    """Where the rounds stand: who took part in the training, the proxies, and their view of all rows."""

    keep: NDArray[np.bool_]
    fitted: Mapping[str, Fitted]
    view: View


def run_rounds(rows: Rows, start: State, fit: Fit, rounds: int) -> tuple[State, list[dict[str, Any]]]:
    """The state after at most `rounds` rounds that paid, and the record of each round tried."""
    state, records = start, []
    for number in range(1, rounds + 1):
        removals = _removals(rows, state.view)
        if len(rows) > 2 * TRIAL_ROWS:
            promising, trial = _trial(rows, state, fit)
            records.append({**trial, "round": number, "tried_on": TRIAL_ROWS})
            removals = {name: remove for name, remove in removals.items() if name == promising}
        tried = list(_candidates(rows, state, removals, fit))
        if not tried:
            break
        best, record = _elect(state, tried)
        records.append({**record, "round": number})
        if not record["accepted"]:
            break
        state = best
    return state, [{**record, "rows": record["rows"] if "tried_on" not in record else []} for record in records]


def _trial(rows: Rows, state: State, fit: Fit) -> tuple[str | None, dict[str, Any]]:
    """The removal that pays on a sample of the rows, and the record of the trial."""
    sample = rows.take(np.arange(0, len(rows), max(1, len(rows) // TRIAL_ROWS)))
    everybody = np.ones(len(sample), np.bool_)
    fitted = fit(sample, everybody, state.fitted)
    small = State(everybody, fitted, look({name: one.scores().without for name, one in fitted.items()}, sample))
    tried = list(_candidates(sample, small, _removals(sample, small.view), fit))
    if not tried:
        return None, {"removed": 0, "threshold": None, "accepted": False, "proposal": "none", "rows": []}
    _, record = _elect(small, tried)
    return (record["proposal"] if record["accepted"] else None), record


Candidate = tuple[State, str, str]  # the state after it, the removal's name, and how its view was made


def _candidates(rows: Rows, state: State, removals: Mapping[str, NDArray[np.bool_]], fit: Fit) -> Iterator[Candidate]:
    """The states after each removal, refitted."""
    for name, remove in removals.items():
        if not remove.any() or (remove == ~state.keep).all():
            continue
        fitted = fit(rows, ~remove, state.fitted)
        after = {proxy: one.scores().without for proxy, one in fitted.items()}
        yield State(~remove, fitted, look(after, rows)), name, "alone"
        both = {proxy: average([state.view.outcomes[proxy], found]) for proxy, found in after.items()}
        yield State(~remove, fitted, look(both, rows)), name, "averaged with the view before"


def _elect(before: State, tried: list[Candidate]) -> tuple[State, dict[str, Any]]:
    """The candidate that explains the labels best, and the record of its election."""
    best, name, made = max(tried, key=lambda one: float(one[0].view.log_likelihoods.mean()))
    gain, removed = _gain(before.view, best.view), ~best.keep
    return best, {
        "removed": int(removed.sum()),
        "threshold": float(before.view.suspicion[removed].min()),
        "accepted": gain >= PAYS,
        "proposal": name,
        "view": made,
        "gain_in_standard_errors": gain,
        "log_likelihood_before": float(before.view.log_likelihoods.mean()),
        "log_likelihood_after": float(best.view.log_likelihoods.mean()),
        "expected_wrong": float(best.view.probability_wrong.sum()),
        "rows": np.flatnonzero(removed) if gain >= PAYS else [],
    }


def _removals(rows: Rows, view: View) -> dict[str, NDArray[np.bool_]]:
    """Rows to remove by each proposal, most suspicious first within the caps."""
    expected = round(float(view.probability_wrong.sum()))
    proposals = {"as many as the posterior expects": _most(rows, view.probability_wrong, expected)}
    if rows.classes:
        proposals["every contradicted row"] = _most(rows, view.margin, int(view.contradicted.sum()))
    return proposals


def _most(rows: Rows, score: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """The `count` rows of highest score, less what the caps per class forbid: a mask (rows,)."""
    strata = rows.labels.astype(np.int64) if rows.classes else np.zeros(len(rows), np.int64)
    chosen = np.argsort(-score, kind="stable")[:count]
    sizes = np.bincount(strata, minlength=max(rows.classes, 1))
    caps = np.minimum(MOST_OF_A_CLASS * sizes, sizes - LEAST_KEPT).clip(0)
    order = chosen[np.argsort(strata[chosen], kind="stable")]
    counts = np.bincount(strata[order], minlength=len(sizes))
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    mask = np.zeros(len(rows), np.bool_)
    mask[order[place < np.floor(caps)[strata[order]]]] = True
    return mask


def _gain(before: View, after: View) -> float:
    """Mean gain in log-likelihood of the given labels, in standard errors of the paired differences."""
    gains = after.log_likelihoods - before.log_likelihoods
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return float(gains.mean() / error) if error > 0 else 0.0
