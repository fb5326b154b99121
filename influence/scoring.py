"""Score: what every row gets, from trained proxies and reference rows.

Reference rows are held out: the trusted ones; without any, folds take turns, the linear proxy fitted on the other
folds, and only rows whose own label the other rows confirm may vote. That influence is weak evidence, and the report
says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from culpa.influence.ensemble import weighted
from culpa.influence.folds import assign_folds, fold_count
from culpa.influence.proxies import fit_proxy
from culpa.influence.proxy import Fitted, Learner, ProxyScores, ReferenceInfluence, Restricted
from culpa.influence.rows import Rows
from culpa.influence.soft import soft_weights
from culpa.influence.training import Progress, Trained
from culpa.influence.trusted import learn_from

__all__ = ["Scored", "main_proxy", "pooled", "score_rows", "scored_by", "voters"]

Columns = dict[str, NDArray[Any]]

MOST_JUDGES = 500  # rows that serve as reference for figures of the report, where none are trusted


@dataclass(frozen=True)
class Scored:
    """Every row's scores, (rows,) each, named as in the table `scores`; the same per proxy; rounds and report."""

    scores: Columns
    by_proxy: dict[str, Columns]
    rounds: list[dict[str, Any]]
    report: dict[str, Any]
    learning: dict[str, Columns] = field(default_factory=dict)  # of the proxies that learned epoch by epoch
    by_reference: dict[str, Columns] = field(default_factory=dict)  # of the sets of reference rows that do not judge


def score_rows(
    trained: Trained,
    rows: Rows,
    *,
    reference: Rows | None,
    others: Mapping[str, Rows] | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Scores of every row the proxies were trained on.

    `reference` are trusted rows; None lets folds take turns, `folds` of them (five, or two for many rows). On the
    `others`, sets of reference rows by name, the main proxy's influence is measured, and nothing else.
    """
    tell = progress or (lambda what, done: None)
    influences: dict[str, ReferenceInfluence] = {}
    judged: Columns = {}
    report = _report(trained, rows, reference)
    main = main_proxy(trained)
    if reference is None:
        influences[main] = _folded(trained, rows, main, folds or fold_count(len(rows)), tell)
    else:
        for place, (name, fitted) in enumerate(trained.fitted.items()):
            tell(f"influence, {name}", place / (len(trained.fitted) + 1))
            influences[name] = fitted.influence_on(reference)
        if main == "linear" and rows.classes:
            tell("learn from the trusted rows", 0.75)
            taught = learn_from(trained, rows, reference)
            influences[main] = taught.influence
            judged = {"suspicion": taught.suspicion, "probability_wrong": taught.probability_wrong}
            report |= taught.report
    found = scored_by(trained, rows, influences, judged)
    tell("score", 1.0)
    learning = {name: fitted.learning() for name, fitted in trained.fitted.items() if isinstance(fitted, Learner)}
    by_set = {name: _on_set(trained.fitted[main].influence_on(one)) for name, one in (others or {}).items()}
    return replace(found, rounds=trained.rounds, report=report, learning=learning, by_reference=by_set)


def scored_by(
    trained: Trained, rows: Rows, influences: Mapping[str, ReferenceInfluence], judged: Columns | None = None
) -> Scored:
    """The columns of every row, given the influence of the proxies; `judged` replaces what the view says."""
    by_proxy = {name: _proxy_columns(trained, rows, name, influences.get(name)) for name in trained.fitted}
    scores = _columns(trained, rows, by_proxy, influences[main_proxy(trained)]) | (judged or {})
    scores["weight"] = soft_weights(scores["probability_wrong"], scores["influence_p_value"])
    return Scored(scores, by_proxy, [], {})


def _on_set(influence: ReferenceInfluence) -> Columns:
    """What is kept of the influence on a set that does not judge."""
    return {"influence": influence.removal, "influence_se": influence.standard_error}


def main_proxy(trained: Trained) -> str:
    """The proxy whose influence a run reports: the linear one, whose influence is exact, if there is one."""
    return "linear" if "linear" in trained.fitted else next(iter(trained.fitted))


def voters(trained: Trained, rows: Rows) -> NDArray[np.bool_]:
    """Untrusted rows that may serve as reference: in the training, and not contradicted out of sample. (rows,)."""
    allowed = trained.keep & ~trained.view.contradicted
    return allowed if allowed.sum() >= 2 else trained.keep


def _folded(trained: Trained, rows: Rows, name: str, folds: int, tell: Progress) -> ReferenceInfluence:
    """Influence on the folds a row is not in, averaged over their voters."""
    fold, allowed = assign_folds(rows, folds), voters(trained, rows)
    parts, weights = [], []
    for number in range(folds):
        tell(f"influence, fold {number + 1}", number / folds)
        held_out = fold == number
        panel = rows.take(held_out & allowed)
        if len(panel) < 2:
            continue
        fitted = fit_proxy(name, rows, trained.keep & ~held_out, seed=trained.seed, before=trained.fitted[name])
        parts.append(fitted.influence_on(panel))
        weights.append(np.where(held_out, 0.0, float(len(panel))))
    if not parts:
        raise ValueError(
            f"no fold of {len(rows)} rows holds two rows whose label the others confirm, and so none can be reference: "
            "pass trusted rows as reference, or bring more rows"
        )
    return pooled(parts, np.stack(weights))


def pooled(parts: list[ReferenceInfluence], weights: NDArray[np.float64]) -> ReferenceInfluence:
    """Weighted mean of several influences, `weights` (parts, rows)."""
    share = weights / weights.sum(axis=0).clip(1e-300)
    present = np.stack([~np.isnan(part.by_class) for part in parts]) * share[:, :, None]
    classes = np.stack([np.nan_to_num(part.by_class) for part in parts])
    with np.errstate(invalid="ignore"):
        by_class = (classes * present).sum(axis=0) / present.sum(axis=0)
    return ReferenceInfluence(
        mean=sum_of(share, [part.mean for part in parts]),
        standard_error=np.sqrt(sum_of(share**2, [part.standard_error**2 for part in parts])),
        by_class=by_class,
        on_probability=sum_of(share, [part.on_probability for part in parts]),
        removal=sum_of(share, [part.removal for part in parts]),
    )


def sum_of(weights: NDArray[np.float64], values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Weighted sum over parts: (parts, rows) and as many (rows,) to (rows,)."""
    total: NDArray[np.float64] = np.einsum("pm,pm->m", weights, np.stack(values))
    return total


def _proxy_columns(trained: Trained, rows: Rows, name: str, influence: ReferenceInfluence | None) -> Columns:
    """What one proxy says of every row."""
    found = trained.scores[name]
    columns = {"self_influence": found.self_influence, **_own(found, rows, trained)}
    if influence is not None:
        columns |= {"influence": influence.removal, "influence_se": influence.standard_error}
    return columns


def _own(found: ProxyScores, rows: Rows, trained: Trained) -> Columns:
    """Probability of the own label with and without the row. Regression: its likelihood relative to the law's peak."""
    if rows.classes:
        without = found.without[np.arange(len(rows)), rows.labels]
        return {
            "probability_without": without,
            "memorization": found.own_with - found.own_without,
            "probability_with": found.own_with,
        }
    scale = float(trained.view.report["residual_scale"])  # type: ignore[arg-type]

    def likelihood(predictions: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(-(((predictions - rows.labels) / scale) ** 2) / 2)

    kept, left = likelihood(found.own_with), likelihood(found.own_without)
    return {
        "probability_without": likelihood(found.without[:, 0]),
        "memorization": kept - left,
        "probability_with": kept,
    }


def _columns(trained: Trained, rows: Rows, by_proxy: dict[str, Columns], influence: ReferenceInfluence) -> Columns:
    """The columns of the table `scores`: probabilities averaged over the proxies, influence of the main one."""
    own = by_proxy[main_proxy(trained)]["self_influence"]
    mean = {
        name: weighted({proxy: columns[name] for proxy, columns in by_proxy.items()}, trained.view.weights)
        for name in ("probability_without", "memorization", "probability_with")
    }
    view = trained.view
    return {
        "self_influence": own,
        "memorization": mean["memorization"],
        "probability_without": mean["probability_without"],
        "influence": influence.removal,
        "influence_se": influence.standard_error,
        "influence_p_value": _p_values(influence),
        "class_influence": _least(influence.by_class),
        "relative_influence": influence.removal / np.sqrt(np.where(own > 0, own, np.nan)),
        "classification_influence": influence.on_probability,
        "loss": -np.log(mean["probability_with"].clip(1e-300)),
        "suggested": view.suggested,
        "suggested_probability": view.suggested_probability,
        "suspicion": view.suspicion,
        "probability_wrong": view.probability_wrong,
    }


def _p_values(influence: ReferenceInfluence) -> NDArray[np.float64]:
    """One-sided p-value of harm: small when it lies below nought beyond its noise; 1 where not known."""
    error = influence.standard_error
    with np.errstate(divide="ignore", invalid="ignore"):
        p = norm.cdf(influence.removal / error)
    settled: NDArray[np.float64] = np.where(error > 0, p, np.where((error == 0) & (influence.removal < 0), 0.0, 1.0))
    return settled


def _least(by_class: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least influence over the classes that have reference rows, (rows,)."""
    return np.where(np.isnan(by_class), np.inf, by_class).min(axis=1)


def _report(trained: Trained, rows: Rows, reference: Rows | None) -> dict[str, Any]:
    """What a run records beside the rows' scores."""
    judges = rows.take(np.flatnonzero(voters(trained, rows))[:MOST_JUDGES]) if reference is None else reference
    return {
        **trained.view.report,
        "reference": "folds" if reference is None else "trusted",
        "reference_is_weak_evidence": reference is None,
        "rows_in_last_training": int(trained.keep.sum()),
        "proxies": {name: fitted.report() | _restriction(fitted, judges) for name, fitted in trained.fitted.items()},
    }


def _restriction(fitted: Fitted, judges: Rows) -> dict[str, Any]:
    """How well influence on few parameters ranks, where it is restricted to them."""
    found = fitted.agreement_with_all_layers(judges) if isinstance(fitted, Restricted) else None
    return {} if found is None else {"agreement_with_all_layers": found}
