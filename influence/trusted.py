"""What trusted rows teach: the strength at which influence tells wrong labels from right ones, and how wrong ones look.

The trusted rows stayed out of the training, so each can be planted as a candidate: once with its right label, once
with every other label, weighed by how likely the noisy proxies think it to be given. For each candidate we know the
truth and can compute what a training row gets: the margin of the out-of-sample average, and its influence on the
*other* trusted rows. From these,

* the L2 strength of the linear proxy whose influence separates planted wrong from right labels best (area under the ROC
  curve). The strength that predicts best is too weak for it: on Yoruba news titles the area over the real training
  rows is .67 there and .80 at the strength chosen here;
* a logistic regression from both to the odds of a wrong label, and so `suspicion` and `probability_wrong`. The share
  of wrong
  labels among the training rows, which the planted ones do not know, is the larger of two estimates: by expectation
  maximisation over the training rows' odds (Saerens et al. 2002), and from how much less often a model of the trusted
  rows alone agrees with the training labels than with trusted ones.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from culpa.influence.ensemble import look, weighted
from culpa.influence.linear import FittedLinear, fit_linear
from culpa.influence.proxies import fit_proxies
from culpa.influence.proxy import ReferenceInfluence
from culpa.influence.riding import riding, with_riders
from culpa.influence.rows import Rows
from culpa.influence.suspicion.calibrate import sharpen
from culpa.influence.training import Trained

Array = NDArray[np.float64]

__all__ = ["TrustedView", "learn_from"]

MOST_PLANTED = 2_000  # trusted rows planted as candidates
STRENGTHS = tuple(10.0 ** (step / 2) for step in range(9))  # rows * l2 tried, from 1 to 10,000
EM_ROUNDS = 200
LEAST_RATE, MOST_RATE = 1e-3, 0.9


@dataclass(frozen=True)
class TrustedView:
    """The training rows as trusted rows let us see them."""

    influence: ReferenceInfluence  # of the linear proxy at the chosen strength
    suspicion: Array  # (rows,) log-odds of a wrong label
    probability_wrong: Array  # (rows,)
    report: dict[str, object]


@dataclass(frozen=True)
class _Planted:
    """Candidates: every trusted row under every label."""

    wrong: NDArray[np.bool_]  # (trusted rows, classes)
    weights: Array  # (trusted rows, classes): 1 in sum for the right label of each row, and for its wrong ones
    margins: Array  # (trusted rows, classes) log of the likeliest other class over this one


def learn_from(trained: Trained, rows: Rows, reference: Rows) -> TrustedView:
    """See the training rows through trusted ones. For classification with the linear proxy among the trained ones."""
    margins, expected, outcomes = _opinions(trained, rows, reference)
    planted = _plant(reference, expected[:MOST_PLANTED], outcomes[:MOST_PLANTED])
    fitted, influences, area = _strongest(trained, rows, reference, planted)
    influence = fitted.influence_on(reference)
    scale = 3 * float(np.abs(influences).mean()) or 1.0
    odds = _balanced_odds(planted, influences / scale, margins, influence.mean / scale)
    estimates = _rate_by_odds(odds), _rate_by_agreement(rows, reference)
    rate = float(np.clip(max(estimates), LEAST_RATE, MOST_RATE))
    suspicion = odds + logit(rate)
    report: dict[str, object] = {
        "influence_l2": fitted.strength.l2,
        "planted_auroc": area,
        "wrong_rate_by_odds": estimates[0],
        "wrong_rate_by_agreement": estimates[1],
        "expected_wrong": float(expit(suspicion).sum()),
    }
    return TrustedView(influence, suspicion, expit(suspicion), report)


def _opinions(trained: Trained, rows: Rows, reference: Rows) -> tuple[Array, Array, Array]:
    """Margins of the training rows; calibrated and plain average probabilities of the reference rows; out of sample.

    The reference rows ride along in the fit as rows that take no part in the training.
    """
    both, keep = with_riders(rows, reference), riding(trained.keep, len(reference))
    fitted = fit_proxies(tuple(trained.fitted), both, keep, seed=trained.seed, before=trained.fitted)
    outcomes = {name: one.scores().without for name, one in fitted.items()}
    view = look({name: found[: len(rows)] for name, found in outcomes.items()}, rows, trained.view.weights)
    there = {name: found[len(rows) :] for name, found in outcomes.items()}
    calibrated = {name: sharpen(found, view.sharpening[name]) for name, found in there.items()}
    return view.margin, weighted(calibrated, view.weights), weighted(there, view.weights)


def _plant(reference: Rows, expected: Array, outcomes: Array) -> _Planted:
    """Candidates from the reference rows, given their out-of-sample probabilities."""
    wrong = ~np.eye(reference.classes, dtype=np.bool_)[reference.labels[: len(expected)]]
    likely = np.where(wrong, outcomes, 0)
    weights = np.where(wrong, likely / likely.sum(axis=1, keepdims=True), 1.0)
    logs = np.log(expected.clip(1e-12))
    best, second = np.sort(logs, axis=1)[:, -1:], np.sort(logs, axis=1)[:, -2:-1]
    return _Planted(wrong, weights, np.where(logs == best, second, best) - logs)


def _strongest(trained: Trained, rows: Rows, reference: Rows, planted: _Planted) -> tuple[FittedLinear, Array, float]:
    """The linear proxy at the strength that separates planted labels best, the candidates' influences, and the area."""
    best: tuple[FittedLinear, Array, float] | None = None
    start = None
    for total in STRENGTHS:
        fitted = fit_linear(rows, trained.keep, l2=total / int(trained.keep.sum()), start=start)
        start = fitted.weights
        influences = fitted.influence_of_candidates(reference, len(planted.wrong))
        area = float(roc_auc_score(planted.wrong.ravel(), -influences.ravel(), sample_weight=planted.weights.ravel()))
        if best is None or area > best[2]:
            best = fitted, influences, area
    assert best is not None
    return best


def _balanced_odds(planted: _Planted, influences: Array, margins: Array, mean: Array) -> Array:
    """Log-odds of a wrong label for each training row, as if half of all labels were wrong. (rows,)."""

    def columns(margin: Array, influence: Array) -> Array:
        return np.column_stack([margin.ravel(), -np.tanh(influence.ravel())])

    model = LogisticRegression(C=10.0)
    model.fit(columns(planted.margins, influences), planted.wrong.ravel(), sample_weight=planted.weights.ravel())
    odds: Array = model.decision_function(columns(margins, mean))
    return odds


def _rate_by_odds(odds: Array) -> float:
    """Share of wrong labels that makes the posterior's mean agree with itself."""
    rate = 0.1
    for _ in range(EM_ROUNDS):
        rate = float(np.clip(expit(odds + logit(rate)).mean(), LEAST_RATE, MOST_RATE))
    return rate


def _rate_by_agreement(rows: Rows, reference: Rows) -> float:
    """Share of wrong labels from how often a model of trusted rows alone agrees with them, and with training labels.

    With a its accuracy on left-out trusted rows and e the share wanted, it agrees with a training label with
    probability a (1 - e) + (1 - a) e / (C - 1): its errors know nothing of the training labels' errors.
    """
    if len(np.unique(reference.labels)) < 2:
        return 0.0
    ride = np.concatenate([np.ones(len(reference), np.bool_), np.zeros(len(rows), np.bool_)])
    both = Rows(
        np.concatenate([reference.features, rows.features]),
        np.concatenate([reference.labels, rows.labels]),
        rows.classes,
        np.arange(len(ride)),
    )
    guessed = fit_linear(both, ride).scores().without.argmax(axis=1) == both.labels
    accuracy, agreed = float(guessed[ride].mean()), float(guessed[~ride].mean())
    chance = (1 - accuracy) / (rows.classes - 1)
    return (accuracy - agreed) / (accuracy - chance) if accuracy > 1.5 * chance else 0.0
