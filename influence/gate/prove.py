"""The proof: train every arm, let one half of the reference rows choose how far to go, and the other half judge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from culpa.influence.gate.arms import train_arms
from culpa.influence.gate.effects import losses
from culpa.influence.gate.judge import Judge
from culpa.influence.gate.judging import Effects, doubted, judge_arms
from culpa.influence.gate.stopping import Curve, choose_stop
from culpa.influence.gate.trial import Trial
from culpa.influence.gate.verdict import RULE, Judged, Verdict, reach, stay

__all__ = ["FEWEST", "ROUNDS", "Proof", "judges_of", "prove"]

ROUNDS = (0.25, 0.5, 0.75, 1.0)  # shares of the rule's removals that are tried
FEWEST = 10  # judging rows
SIDES = ("cleaned", "random")
Array = NDArray[np.float64]
Told = Callable[[float], None]
Gate = Literal["better", "not-worse", "off"]


@dataclass(frozen=True)
class Proof:
    """What was shown."""

    shares: tuple[float, ...]  # of the rule's removals, nought first
    cleaned: Curve  # on the choosing rows
    random: Curve
    share: float  # of the rule's removals that may be done: the stopping point, or nought where the gate refuses
    stop: float  # the stopping point
    effects: Effects  # on the judging rows that count; where nothing may go, of all removals together
    blurred: Effects  # the same on all judging rows; empty where they are trusted
    verdict: Verdict
    margin: float  # in units of the first metric


def prove(
    trials: Sequence[Trial],
    judge: Judge,
    *,
    gate: Gate,
    margin: float,
    removals: int,
    seeds: int,
    seed: int,
    proven: bool = False,
    rounds: Sequence[float] = ROUNDS,
    told: Told = lambda done: None,
) -> Proof:
    """Whether and how far the rule's removals help, over all trials together.

    `margin` is a share of the loss of guessing from the labels' frequencies; `removals` is how many rows the rule
    would drop, for the words alone; `proven` tells that the rule was proven on more rows before.
    Errors: ValueError where fewer than FEWEST rows choose or judge.
    """
    judges = judges_of(trials)
    if min(judges) < FEWEST:
        raise ValueError(f"{judges[0]} rows choose and {judges[1]} rows judge, needed {FEWEST} or more of each")
    shares = (0.0, *rounds)
    arms = [
        train_arms(trial, judge, shares, seeds=seeds, seed=seed, told=_part(told, place, len(trials)))
        for place, trial in enumerate(trials)
    ]
    cleaned, random = (
        choose_stop(_choosing_losses(trials, [getattr(one, name) for one in arms]), proven=proven) for name in SIDES
    )
    stop = cleaned.stop
    shown = stop or len(rounds)  # where nothing may go: what all removals would have done
    effects, blurred = judge_arms(trials, arms, shown, seed)
    tolerated = margin * _blind_loss(trials)
    judged = _judged(trials, effects, blurred)
    say = reach if stop else stay
    verdict = say(judged, gate=gate, margin=tolerated, removed=round(shares[shown] * removals))
    allowed = shares[stop] if verdict.passed else 0.0
    return Proof(shares, cleaned, random, allowed, shares[stop], effects, blurred, verdict, tolerated)


def judges_of(trials: Sequence[Trial]) -> tuple[int, int]:
    """How many reference rows choose, and how many judge and count."""
    return sum(len(trial.choosing) for trial in trials), sum(int((~doubted(trial)).sum()) for trial in trials)


def _judged(trials: Sequence[Trial], effects: Effects, blurred: Effects) -> Judged:
    doubts = np.concatenate([doubted(trial) for trial in trials])
    trusted = not any(len(trial.doubted) for trial in trials)
    return Judged(effects, blurred.get(RULE, []), int((~doubts).sum()), trusted, int(doubts.sum()))


def _part(told: Told, place: int, parts: int) -> Told:
    return lambda done: told((place + done) / parts)


def _choosing_losses(trials: Sequence[Trial], outcomes: Sequence[Array]) -> Array:
    """Losses of the choosing rows of all trials, (removals, seeds, rows)."""
    parts = [
        losses(found[:, :, : len(trial.choosing)], trial.choosing.labels, trial.rows.classes)
        for trial, found in zip(trials, outcomes, strict=True)
    ]
    return np.concatenate(parts, axis=2)


def _blind_loss(trials: Sequence[Trial]) -> float:
    """What the first metric is for who knows the labels' frequencies alone: entropy, nats; regression: deviation."""
    labels = np.concatenate([trial.rows.labels for trial in trials])
    if not trials[0].rows.classes:
        return float(labels.std())
    frequencies = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(frequencies * np.log(frequencies)).sum())
