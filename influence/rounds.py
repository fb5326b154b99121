"""Rounds of selective removal: take the rows most surely wrong out of the training, fit again, judge all rows again.

A round may hurt: with weak proxies it throws out the hard rows with the wrong ones. So it is kept only if it explains
the labels as they are written, all of them, the removed ones too, better: a larger log-likelihood of the given labels
under the out-of-sample view and its noise model, by two standard errors of the paired differences and by a fiftieth of
itself: with many rows everything is significant. Rows that are kept because they agree with each other gain a little
even where labels are drawn by lot, so proxies that explain hardly any of the labels remove nothing. No trusted rows are
needed.

Two removals are tried, as many rows as the posterior expects to be wrong, and every row that the average contradicts:
under class-dependent noise the first view explains the noise as chance, expects few wrong labels, and only the second
escapes. For each, the new view alone and its average with the view before stand for election. With many rows all rounds
are first tried on a sample, and only what paid there is done to all. A proxy whose word hardly counts (`weights`) is
not fitted again. Measured (`tests/benchmarks/detection.py`): kept for pairwise noise, where it lifts average precision;
refused for labels by keyword rules with a weak text model, where it would lower it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy

from culpa.influence.caps import highest_within_caps
from culpa.influence.ensemble import View, average, look
from culpa.influence.proxy import Fitted, without
from culpa.influence.rows import Rows

__all__ = ["State", "run_rounds"]

PAYS = 2.0  # standard errors that the log-likelihood must gain,
LEAST_GAIN = 0.02  # and this share of itself; regression, where it may be nought: so many nats a row

LEAST_WEIGHT = 0.02  # of a proxy in the average, to be fitted again
LEAST_SKILL = 0.1  # of the labels' entropy that the view must explain before rows are removed by its word
TRIAL_ROWS = 10_000  # more rows than four times this are tried on so many first

Names = tuple[str, ...]
Fit = Callable[[Names, Rows, NDArray[np.bool_], Mapping[str, Fitted] | None], dict[str, Fitted]]
Proposals = Callable[[int, Rows, View], dict[str, NDArray[np.bool_]]]  # of round 1, 2, ...: name -> rows to remove


@dataclass(frozen=True)
class State:
    """Where the rounds stand: who took part in the training, the proxies, and their view of all rows."""

    keep: NDArray[np.bool_]
    fitted: Mapping[str, Fitted]
    view: View


def run_rounds(rows: Rows, start: State, fit: Fit, rounds: int) -> tuple[State, list[dict[str, Any]]]:
    """The state after at most `rounds` rounds that paid, and the record of each round tried."""
    if not rounds or _skill(rows, start.view) < LEAST_SKILL:
        return start, []
    if len(rows) <= 4 * TRIAL_ROWS:
        return _run(rows, start, fit, rounds, lambda _, *seen: _removals(*seen))
    trial = _trial(rows, start, fit, rounds)
    paid = [record["proposal"] for record in trial if record["accepted"]]

    def proposals(number: int, every: Rows, view: View) -> dict[str, NDArray[np.bool_]]:
        return {name: remove for name, remove in _removals(every, view).items() if name == paid[number - 1]}

    end, records = _run(rows, start, fit, len(paid), proposals)
    return end, trial + records


def _run(rows: Rows, start: State, fit: Fit, rounds: int, proposals: Proposals) -> tuple[State, list[dict[str, Any]]]:
    """The rounds themselves: propose, fit, elect, until one does not pay."""
    state, records = start, []
    for number in range(1, rounds + 1):
        tried = list(_candidates(rows, state, proposals(number, rows, state.view), fit))
        if not tried:
            break
        best, record = _elect(rows, state, tried)
        records.append({**record, "round": number})
        if not record["accepted"]:
            break
        state = best
    return state, records


def _skill(rows: Rows, view: View) -> float:
    """Share of the labels' entropy that the view explains; 1 for regression."""
    if not rows.classes:
        return 1.0
    return 1 + float(view.log_likelihoods.mean()) / float(entropy(np.bincount(rows.labels)))


def _trial(rows: Rows, start: State, fit: Fit, rounds: int) -> list[dict[str, Any]]:
    """The records of the rounds on a sample of the rows."""
    sample = rows.take(np.arange(0, len(rows), len(rows) // TRIAL_ROWS))
    everybody = np.ones(len(sample), np.bool_)
    names = _weighty(start.view)
    fitted = fit(names, sample, everybody, start.fitted)
    view = look({name: without(one) for name, one in fitted.items()}, sample, _shares(start.view, names))
    _, records = _run(sample, State(everybody, fitted, view), fit, rounds, lambda _, *seen: _removals(*seen))
    return [{**record, "tried_on": len(sample), "rows": []} for record in records]


Candidate = tuple[State, str, str]  # the state after it, the removal's name, and how its view was made


def _candidates(rows: Rows, state: State, removals: Mapping[str, NDArray[np.bool_]], fit: Fit) -> Iterator[Candidate]:
    """The states after each removal, refitted; the proxies keep their weights, so that removal alone is judged."""
    for name, remove in removals.items():
        if not remove.any() or (remove == ~state.keep).all():
            continue
        fitted = {**state.fitted, **fit(_weighty(state.view), rows, ~remove, state.fitted)}
        found = {proxy: without(fitted[proxy]) for proxy in _weighty(state.view)}
        yield State(~remove, fitted, _see(state.view, found, rows)), name, "alone"
        both = {proxy: average([state.view.outcomes[proxy], after]) for proxy, after in found.items()}
        yield State(~remove, fitted, _see(state.view, both, rows)), name, "averaged with the view before"


def _see(before: View, found: Mapping[str, NDArray[np.float64]], rows: Rows) -> View:
    """The view with what was found anew, the other proxies as they were."""
    return look({**before.outcomes, **found}, rows, before.weights)


def _weighty(view: View) -> Names:
    """The proxies whose word counts."""
    return tuple(name for name, weight in view.weights.items() if weight >= LEAST_WEIGHT)


def _shares(view: View, names: Names) -> dict[str, float]:
    """The weights of these proxies among themselves."""
    total = sum(view.weights[name] for name in names)
    return {name: view.weights[name] / total for name in names}


def _elect(rows: Rows, before: State, tried: list[Candidate]) -> tuple[State, dict[str, Any]]:
    """The candidate that explains the labels best, and the record of its election."""
    best, name, made = max(tried, key=lambda one: float(one[0].view.log_likelihoods.mean()))
    gain, errors, removed = *_gain(before.view, best.view), ~best.keep
    least = LEAST_GAIN * (abs(float(before.view.log_likelihoods.mean())) if rows.classes else 1.0)
    accepted = errors >= PAYS and gain >= least
    return best, {
        "removed": int(removed.sum()),
        "threshold": float(before.view.suspicion[removed].min()),
        "accepted": accepted,
        "proposal": name,
        "view": made,
        "gain_in_standard_errors": errors,
        "log_likelihood_before": float(before.view.log_likelihoods.mean()),
        "log_likelihood_after": float(best.view.log_likelihoods.mean()),
        "expected_wrong": float(best.view.probability_wrong.sum()),
        "rows": np.flatnonzero(removed) if accepted else [],
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
    classes = rows.labels.astype(np.int64) if rows.classes else np.zeros(len(rows), np.int64)
    return highest_within_caps(score, classes, count)


def _gain(before: View, after: View) -> tuple[float, float]:
    """Mean gain in log-likelihood of the given labels, nats, and the same in standard errors of the differences."""
    gains = after.log_likelihoods - before.log_likelihoods
    gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
    return gain, gain / error if error > 0 else 0.0
