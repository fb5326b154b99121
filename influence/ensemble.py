"""What several proxies together think of every row: calibrated, averaged, and judged against the given labels.

Each proxy's out-of-sample probabilities are calibrated to the truth (`suspicion.calibrate`), then averaged, plainly
but for a proxy that is clearly worse (`weights`). One noise model judges the average.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from culpa.influence.rows import Rows
from culpa.influence.suspicion import Laws, NoiseModel, calibrate, fit_noise, judge, judge_targets
from culpa.influence.suspicion.calibrate import sharpen
from culpa.influence.weights import proxy_weights

Array = NDArray[np.float64]
Outcomes = Mapping[
    str, Array
]  # proxy -> (rows, classes) probabilities or (rows, 1) predictions that never saw their row

__all__ = ["Opinion", "Outcomes", "View", "agreement", "average", "expected_of", "look", "look_again", "weighted"]


@dataclass(frozen=True)
class View:
    """The proxies' joint opinion of every row's label."""

    outcomes: Outcomes
    expected: Array  # (rows, classes) calibrated average probabilities, or (rows, 1) average predictions
    suspicion: Array  # (rows,) high = suspicious
    probability_wrong: Array  # (rows,)
    suggested: NDArray[Any]  # (rows,) class codes, or expected targets
    suggested_probability: Array  # (rows,) NaN for regression
    log_likelihoods: Array  # (rows,) of the given labels, nats: how well this view explains what is written in the data
    contradicted: NDArray[
        np.bool_
    ]  # (rows,) the average prefers another class; regression: studentised residual above 3
    margin: Array  # (rows,) how strongly it does, before any noise model
    opinion: "Opinion"  # what was learnt from these rows, or brought to them
    report: dict[str, object]

    @property
    def weights(self) -> Mapping[str, float]:
        """Proxy -> its share in the average."""
        return self.opinion.weights

    @property
    def sharpening(self) -> Mapping[str, float]:
        """Proxy -> calibration of its probabilities; empty for regression."""
        return self.opinion.sharpening


@dataclass(frozen=True)
class Opinion:
    """What a view learnt from all its rows: enough to judge more rows as it did."""

    weights: Mapping[str, float]
    sharpening: Mapping[str, float]  # empty for regression
    noise: NoiseModel | None  # None for regression
    laws: Laws | None  # None for classification


def look(outcomes: Outcomes, rows: Rows, weights: Mapping[str, float] | None = None) -> View:
    """The joint view of these proxies' out-of-sample outcomes; weights left out are found from them."""
    weights = proxy_weights(outcomes, rows) if weights is None else weights
    if not rows.classes:
        return _view_of_targets(outcomes, rows, Opinion(weights, {}, None, None))
    calibrations = {name: calibrate(found, rows.labels) for name, found in outcomes.items()}
    sharpening = {name: found.sharpening for name, found in calibrations.items()}
    learnt = Opinion(weights, sharpening, None, None)
    expected = expected_of(outcomes, rows, learnt)
    opinion = replace(learnt, noise=fit_noise(expected, rows.labels))
    view = _view_of_classes(outcomes, rows, opinion, expected)
    return replace(view, report={"calibration": {name: vars(one) for name, one in calibrations.items()}, **view.report})


def look_again(outcomes: Outcomes, rows: Rows, opinion: Opinion) -> View:
    """The view of more rows by an opinion formed on others: nothing is learnt from these."""
    if not rows.classes:
        return _view_of_targets(outcomes, rows, opinion)
    return _view_of_classes(outcomes, rows, opinion, expected_of(outcomes, rows, opinion))


def expected_of(outcomes: Outcomes, rows: Rows, opinion: Opinion) -> Array:
    """Calibrated average probabilities, (rows, classes), or average predictions, (rows, 1)."""
    if not rows.classes:
        return weighted(outcomes, opinion.weights)
    sharp = {name: sharpen(found, opinion.sharpening[name]) for name, found in outcomes.items()}
    return weighted(sharp, opinion.weights)


def _view_of_classes(outcomes: Outcomes, rows: Rows, opinion: Opinion, expected: Array) -> View:
    noise = opinion.noise
    assert noise is not None
    judged = judge(expected, rows.labels, noise)
    margin = _margins(expected, rows.labels)
    likelihoods = np.log(np.einsum("mk,mk->m", expected, noise.matrix[:, rows.labels].T))
    report = {
        "weights": dict(opinion.weights),
        "noise_matrix": noise.matrix.tolist() if rows.classes <= 100 else None,
        "noise_trust": noise.trust,
        "expected_wrong": float(judged.probability_wrong.sum()),
        "agreement": agreement({name: _margins(found, rows.labels) for name, found in outcomes.items()}),
    }
    return View(
        outcomes,
        expected,
        **vars(judged),
        log_likelihoods=likelihoods,
        contradicted=margin > 0,
        margin=margin,
        opinion=opinion,
        report=report,
    )


def _view_of_targets(outcomes: Outcomes, rows: Rows, opinion: Opinion) -> View:
    expected = weighted(outcomes, opinion.weights)
    judged = judge_targets(expected[:, 0], rows.labels, opinion.laws)
    residuals = {name: np.abs(found[:, 0] - rows.labels) for name, found in outcomes.items()}
    return View(
        outcomes,
        expected,
        judged.suspicion,
        judged.probability_wrong,
        suggested=expected[:, 0],
        suggested_probability=np.full(len(rows), np.nan),
        log_likelihoods=judged.log_likelihoods,
        contradicted=judged.suspicion > 3,
        margin=judged.suspicion,
        opinion=replace(opinion, laws=judged.laws),
        report={
            "weights": dict(opinion.weights),
            "residual_scale": judged.laws.scale,
            "wrong_rate": judged.laws.wrong_rate,
            "expected_wrong": float(judged.probability_wrong.sum()),
            "agreement": agreement(residuals),
        },
    )


def weighted(parts: Mapping[str, Array], weights: Mapping[str, float]) -> Array:
    """Weighted sum of equally shaped arrays."""
    names = list(parts)
    total = weights[names[0]] * parts[names[0]].astype(np.float64)
    for name in names[1:]:
        total += weights[name] * parts[name]
    return total


def average(parts: list[Array]) -> Array:
    """Plain mean of equally shaped arrays."""
    total = parts[0].astype(np.float64)
    for part in parts[1:]:
        total = total + part
    return total / len(parts)


def agreement(opinions: Mapping[str, Array]) -> dict[str, float]:
    """Spearman correlation of every two proxies' opinions, 1 = they order rows alike; NaN for one without any."""
    return {f"{a}~{b}": _spearman(opinions[a], opinions[b]) for a, b in combinations(opinions, 2)}


def _spearman(one: Array, other: Array) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def _margins(probabilities: Array, labels: NDArray[np.int64]) -> Array:
    """Log of the likeliest other class over the given one, (rows,), nats."""
    logs = np.log(probabilities.clip(1e-12))
    own = logs[np.arange(len(labels)), labels].copy()
    logs[np.arange(len(labels)), labels] = -np.inf
    margins: Array = logs.max(axis=1) - own
    return margins
