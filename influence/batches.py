"""A batch comes onto a data set: its rows are scored by the model of all rows so far and the batch, at its own price.

What a whole run learns is kept as a `Base`: the growing linear model, and the opinion (calibration and noise model)
that turns its probabilities into suspicion. The rows that join get what `score_rows` would give them: probabilities
with and without themselves, and influence on the folds that they are not in, other joining rows among the judges.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.ensemble import Opinion, look, look_again
from culpa.influence.linear.growing import Growing, begin_growing, fold_of
from culpa.influence.linear.panel import answer, question_of
from culpa.influence.linear.proxy import FittedLinear, fit_linear
from culpa.influence.proxy import ReferenceInfluence
from culpa.influence.rows import Rows
from culpa.influence.scoring import Scored, pooled, scored_by
from culpa.influence.suspicion import Laws, NoiseModel
from culpa.influence.training import Progress, Trained

__all__ = ["Base", "begin", "join"]

NAME = "linear"


@dataclass(frozen=True)
class Base:
    """What a batch is scored by."""

    model: Growing
    opinion: Opinion

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as plain arrays, to be kept; `Base.of` reads them back."""
        noise, laws = self.opinion.noise, self.opinion.laws
        if noise is not None:
            told = {"sharpening": np.array([self.opinion.sharpening[NAME]]), "noise": noise.matrix}
            told["noise_fit"] = np.array([noise.trust, noise.log_likelihood, noise.gain])
        else:
            assert laws is not None
            told = {"laws": np.array([laws.scale, laws.wrong_rate])}
        return {**self.model.arrays(), **told}

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> "Base":
        """What `arrays` gave. Errors: KeyError where something is missing."""
        model, alone = Growing.of(arrays), {NAME: 1.0}
        if not model.classes:
            return Base(model, Opinion(alone, {}, None, Laws(*map(float, arrays["laws"]))))
        noise = NoiseModel(arrays["noise"], *map(float, arrays["noise_fit"]))
        return Base(model, Opinion(alone, {NAME: float(arrays["sharpening"][0])}, noise, None))


def begin(rows: Rows) -> Base:
    """The base of these accepted rows: one whole fit, as costly as training on them.

    Errors: ValueError where the model is too large to grow, which is told before a second fit.
    """
    fitted = fit_linear(rows)
    view = look({NAME: fitted.scores().without}, rows, {NAME: 1.0})
    return Base(begin_growing(rows, ~view.contradicted, fitted), view.opinion)


def join(
    base: Base, joining: Rows, leaving: Rows, *, seed: int, progress: Progress | None = None
) -> tuple[Base, Trained, Scored]:
    """The base with `joining` rows and without `leaving` ones, and what the joining rows get.

    `leaving` are rows of the base that are no longer accepted, or that come again with another content.
    """
    tell = progress or (lambda what, done: None)
    tell("join the batch", 0.0)
    moved = base.model.joined(joining, leaving)
    fitted = moved.over(joining)
    scores = fitted.scores()
    view = look_again({NAME: scores.without}, joining, base.opinion)
    tell("join the batch", 0.4)
    heard = moved.heard(joining, ~view.contradicted, leaving, _were_voting(moved, leaving, base.opinion))
    everybody = np.ones(len(joining), np.bool_)
    trained = Trained({NAME: fitted}, {NAME: scores}, view, everybody, [], seed)
    tell("join the batch", 0.7)
    scored = scored_by(trained, joining, {NAME: _influence(heard, joining)})
    report = {"reference": "folds", "reference_is_weak_evidence": True, "proxies": {NAME: _report(heard)}}
    tell("join the batch", 1.0)
    return Base(heard, base.opinion), trained, replace(scored, report={**view.report, **report})


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
