"""A batch comes onto a data set: its rows are scored by the model of all rows so far and the batch, at its own price.

What a whole run learns is kept as a `Base`: the growing linear model of the accepted rows, and an opinion (calibration
and noise model). The rows that join get what `score_rows` would give them: probabilities with and without themselves,
and influence on the folds that they are not in, other joining rows among the judges.

Accepted rows alone know nothing of noise: those that contradict the model are gone from them, the right ones among
them too, and so it seems surer than it is. So the opinion is formed on all rows as they came, refused ones included,
and a batch is judged by that opinion with its own confusions beside the usual ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from culpa.influence.drift import Compared, Seen, Usual, usual_of
from culpa.influence.ensemble import Opinion, Outcomes, View, expected_of, look, look_again
from culpa.influence.linear.growing import Growing, begin_growing, fold_of
from culpa.influence.linear.panel import answer, question_of
from culpa.influence.linear.proxy import FittedLinear, fit_linear
from culpa.influence.linear.strength import choose_strength
from culpa.influence.proxies import fit_proxies
from culpa.influence.proxy import ReferenceInfluence
from culpa.influence.riding import riding, with_riders
from culpa.influence.rows import Rows
from culpa.influence.scoring import Columns, Scored, pooled, scored_by
from culpa.influence.soft import soft_weights
from culpa.influence.suspicion import USUAL_ROWS, Laws, NoiseModel, batch_laws, batch_noise
from culpa.influence.training import Progress, Trained

__all__ = ["Base", "begin", "compare", "cut", "join", "judge_batch", "scores_of"]

NAME = "linear"
EM_ROUNDS = 200
FEWEST = 50  # rows as they came that an opinion is formed on


@dataclass(frozen=True)
class Base:
    """What a batch is scored by."""

    model: Growing
    opinion: Opinion
    usual: Usual

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as plain arrays, to be kept; `Base.of` reads them back."""
        noise, laws = self.opinion.noise, self.opinion.laws
        if noise is not None:
            told = {"sharpening": np.array([self.opinion.sharpening[NAME]]), "noise": noise.matrix}
            told["noise_fit"] = np.array([noise.trust, noise.log_likelihood, noise.gain])
        else:
            assert laws is not None
            told = {"laws": np.array([laws.scale, laws.wrong_rate])}
        return {**self.model.arrays(), **self.usual.arrays(), **told}

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> "Base":
        """What `arrays` gave. Errors: KeyError where something is missing."""
        model, usual, alone = Growing.of(arrays), Usual.of(arrays), {NAME: 1.0}
        if not model.classes:
            return Base(model, Opinion(alone, {}, None, Laws(*map(float, arrays["laws"]))), usual)
        noise = NoiseModel(arrays["noise"], *map(float, arrays["noise_fit"]))
        return Base(model, Opinion(alone, {NAME: float(arrays["sharpening"][0])}, noise, None), usual)


def begin(rows: Rows, refused: Rows) -> Base:
    """The base of these accepted rows, and of those `refused` before: one whole fit, as costly as training.

    The penalty is chosen on all of them: accepted rows alone, with nothing left to contradict, would ask for none.

    Errors: ValueError where the model is too large to grow, which is told before a second fit.
    """
    came = with_riders(rows, refused) if len(refused) else rows
    strength = choose_strength(came, np.ones(len(came), np.bool_), fit_linear)
    fitted = fit_linear(rows, l2=strength.l2 * len(came) / len(rows))
    outcomes = np.concatenate([fitted.scores().without, fitted.predict(refused)])
    both = _together(rows, refused)
    view = look({NAME: outcomes}, both, {NAME: 1.0})
    growing = begin_growing(rows, ~view.contradicted[: len(rows)], fitted)
    return Base(growing, view.opinion, usual_of(_seen(view, both), rows.classes))


def join(
    base: Base, joining: Rows, leaving: Rows, *, seed: int, progress: Progress | None = None
) -> tuple[Base, Scored]:
    """The base with `joining` rows and without `leaving` ones, and what the joining rows get.

    `leaving` are rows of the base that are no longer accepted, or that come again with another content.
    """
    tell = progress or (lambda what, done: None)
    tell("join the batch", 0.0)
    moved = base.model.joined(joining, leaving)
    trained = _trained(moved, joining, base.opinion, seed)
    tell("join the batch", 0.4)
    voting = ~trained.view.contradicted
    heard = moved.heard(joining, voting, leaving, _were_voting(moved, leaving, base.opinion))
    tell("join the batch", 0.7)
    scored = _scored(heard, trained, joining)
    tell("join the batch", 1.0)
    return replace(base, model=heard), scored


def scores_of(base: Base, rows: Rows, *, seed: int) -> Scored:
    """What rows get that are in the base already."""
    return _scored(base.model, _trained(base.model, rows, base.opinion, seed), rows)


def _trained(model: Growing, rows: Rows, opinion: Opinion, seed: int) -> Trained:
    """The model over these rows, which are in it, and what it thinks of them without themselves."""
    fitted = model.over(rows)
    scores = fitted.scores()
    view = _look({NAME: scores.without}, rows, opinion)
    return Trained({NAME: fitted}, {NAME: scores}, view, np.ones(len(rows), np.bool_), [], seed)


def _scored(model: Growing, trained: Trained, rows: Rows) -> Scored:
    found = scored_by(trained, rows, {NAME: _influence(model, rows)})
    report = {"reference": "folds", "reference_is_weak_evidence": True, "proxies": {NAME: _report(model)}}
    return replace(found, report={**trained.view.report, **report})


def compare(base: Base, rows: Rows) -> Compared:
    """How rows that are about to join look beside what is usual, to the model that has not seen them."""
    view = _look({NAME: base.model.over(rows).predict(rows)}, rows, base.opinion)
    return Compared(base.usual, _seen(view, rows))


def judge_batch(
    trained: Trained, found: Scored, rows: Rows, fresh: NDArray[np.bool_], refused: Rows | None
) -> tuple[Scored, Compared]:
    """The scores of the `fresh` rows (rows,) alone, which were trained on among accepted ones; and how they look
    beside what is usual.

    `refused` are rows that came as the accepted ones did; without any, those that were accepted tell what is usual.
    """
    mine, batch = cut(found, fresh), rows.take(fresh)
    opinion, usual = _opinion(trained, rows, fresh, refused)
    outcomes = {name: values[fresh] for name, values in trained.view.outcomes.items()}
    view = _look(outcomes, batch, opinion)
    judged = {
        "suspicion": view.suspicion,
        "probability_wrong": view.probability_wrong,
        "suggested": view.suggested,
        "suggested_probability": view.suggested_probability,
    }
    if "wrong_rate_by_odds" in found.report:
        judged |= _by_own_rate(mine, found.report, usual.wrong)
    scores = {**mine.scores, **judged}
    scores["weight"] = soft_weights(scores["probability_wrong"], scores["influence_p_value"])
    report = found.report | {"expected_wrong": float(scores["probability_wrong"].sum())}
    return replace(mine, scores=scores, rounds=[], report=report), Compared(usual, _seen(view, batch))


def cut(found: Scored, mine: NDArray[np.bool_]) -> Scored:
    """What some of the rows got."""

    def some(columns: Columns) -> Columns:
        return {name: values[mine] for name, values in columns.items()}

    by_proxy, learning, by_reference = (
        {name: some(columns) for name, columns in part.items()}
        for part in (found.by_proxy, found.learning, found.by_reference)
    )
    return Scored(some(found.scores), by_proxy, found.rounds, found.report, learning, by_reference)


def _look(outcomes: Outcomes, rows: Rows, learnt: Opinion) -> View:
    """The view of a batch: what was learnt of the proxies, with the noise of these rows beside the usual one."""
    expected = expected_of(outcomes, rows, learnt)
    if learnt.noise is not None:
        return look_again(
            outcomes, rows, replace(learnt, noise=batch_noise(expected, rows.labels, learnt.noise.matrix))
        )
    assert learnt.laws is not None
    laws = batch_laws(rows.labels - expected[:, 0], learnt.laws.scale, learnt.laws.wrong_rate, USUAL_ROWS)
    return look_again(outcomes, rows, replace(learnt, laws=laws))


def _opinion(trained: Trained, rows: Rows, fresh: NDArray[np.bool_], refused: Rows | None) -> tuple[Opinion, Usual]:
    """The opinion on rows as they came, accepted and refused ones, and what is usual among them."""
    refused = rows.take(np.zeros(0, np.intp)) if refused is None else refused
    came = _together(rows.take(~fresh), refused)
    if len(came) < FEWEST or (rows.classes and len(np.unique(came.labels)) < 2):
        return trained.view.opinion, usual_of(_seen(trained.view, rows), rows.classes)
    outcomes = {name: values[~fresh] for name, values in trained.view.outcomes.items()}
    if len(refused):
        both, keep = with_riders(rows, refused), riding(trained.keep, len(refused))
        fitted = fit_proxies(tuple(outcomes), both, keep, seed=trained.seed, before=trained.fitted)
        riders = {name: one.scores().without[len(rows) :] for name, one in fitted.items()}
        outcomes = {name: np.concatenate([values, riders[name]]) for name, values in outcomes.items()}
    view = look(outcomes, came, trained.view.weights)
    return view.opinion, usual_of(_seen(view, came), rows.classes)


def _seen(view: View, rows: Rows) -> Seen:
    """What drift is told by."""
    return Seen(view.margin, view.probability_wrong, rows.labels, view.suggested)


def _by_own_rate(found: Scored, report: dict[str, Any], usual: float) -> dict[str, NDArray[Any]]:
    """The odds that trusted rows taught, at the rate of wrong labels of these rows."""
    rate = float(np.clip(max(report["wrong_rate_by_odds"], report["wrong_rate_by_agreement"]), 1e-3, 0.9))
    odds, own = found.scores["suspicion"] - logit(rate), usual
    for _ in range(EM_ROUNDS):
        wrong = expit(odds + logit(own)).sum() + USUAL_ROWS * usual
        own = float(np.clip(wrong / (len(odds) + USUAL_ROWS), 1e-3, 0.9))
    suspicion = odds + logit(own)
    return {"suspicion": suspicion, "probability_wrong": expit(suspicion)}


def _together(rows: Rows, others: Rows) -> Rows:
    """Both, as far as an opinion needs them: their labels."""
    labels = np.concatenate([rows.labels, others.labels])
    return Rows(np.zeros((len(labels), 0), np.float32), labels, rows.classes, np.arange(len(labels)))


def _were_voting(moved: Growing, leaving: Rows, opinion: Opinion) -> NDArray[np.bool_]:
    """Rows that leave and whose label the others confirm: they are taken for former reference rows. (rows,)."""
    if not len(leaving):
        return np.zeros(0, np.bool_)
    outcomes = moved.over(leaving).predict(leaving)
    confirmed: NDArray[np.bool_] = ~look_again({NAME: outcomes}, leaving, opinion).contradicted
    return confirmed


def _influence(model: Growing, rows: Rows) -> ReferenceInfluence:
    """Influence on the folds that a row is not in, averaged over their reference rows."""
    place = fold_of(rows.features, len(model.folds))
    parts, weights = [], []
    for number, fold in enumerate(model.folds):
        others = model.over(rows, fold.others, place != number)
        parts.append(_on_panel(others, model, number))
        weights.append(np.where(place == number, 0.0, fold.panel.count))
    return pooled(parts, np.stack(weights))


def _on_panel(fitted: FittedLinear, model: Growing, number: int) -> ReferenceInfluence:
    panel, curvature = model.folds[number].panel, model.folds[number].others.curvature
    asked = question_of(panel, curvature, fitted.rows.features.dtype)
    return answer(fitted.rows, fitted.keep, fitted.weights, curvature, asked, fitted.steps)


def _report(model: Growing) -> dict[str, object]:
    return {
        "l2": model.penalty / model.whole.rows,
        "curvature": "exact",
        "without": "leave-one-out",
        "parameters": model.whole.weights.size,
        "rows": model.whole.rows,
        "changed_since_whole_fit": model.changed,
    }
