"""The judging: every two arms compared on the judging rows, and how far what one model gains another gains too."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from culpa.influence.gate.arms import Arms, train_arms
from culpa.influence.gate.effects import Effect, Sides, compare
from culpa.influence.gate.judge import Judge
from culpa.influence.gate.trial import Trial
from culpa.influence.gate.verdict import ALL, RANDOM, RANDOM_LESS_ALL, RULE

__all__ = ["Effects", "doubted", "judge_arms", "small_to_large"]

SAMPLE = 5_000
Array = NDArray[np.float64]
Effects = dict[str, list[Effect]]  # comparison -> metrics


def small_to_large(trials: Sequence[Trial], judge: Judge, share: float, *, seeds: int, seed: int) -> Effects:
    """What another model gains when trained without the rows that this proxy's rule removes, on SAMPLE rows at most.

    Source: Khaddaj et al. 2025, for flags that a small model finds and a large one is trained without.
    """
    some = [trial.sampled(SAMPLE) for trial in trials]
    arms = [train_arms(trial, judge, (0.0, share), seeds=seeds, seed=seed, told=lambda done: None) for trial in some]
    return judge_arms(some, arms, 1, seed)[0]


def doubted(trial: Trial) -> NDArray[np.bool_]:
    """Which judging rows do not count: (judging rows,)."""
    return trial.doubted if len(trial.doubted) else np.zeros(len(trial.judging), np.bool_)


def judge_arms(trials: Sequence[Trial], arms: Sequence[Arms], stop: int, seed: int) -> tuple[Effects, Effects]:
    """Every comparison on the judging rows that count, and on all of them where some do not."""
    doubts = np.concatenate([doubted(trial) for trial in trials])
    sides = {
        RULE: _sides(trials, [one.cleaned[stop] for one in arms], [one.cleaned[0] for one in arms]),
        ALL: _sides(trials, [one.cleaned[stop] for one in arms], [one.everything for one in arms]),
        RANDOM: _sides(trials, [one.cleaned[stop] for one in arms], [one.random[stop] for one in arms]),
        RANDOM_LESS_ALL: _sides(trials, [one.random[stop] for one in arms], [one.everything for one in arms]),
    }
    effects = {name: compare(found.on(~doubts), seed=seed) for name, found in sides.items()}
    untrusted = any(len(trial.doubted) for trial in trials)
    return effects, {name: compare(found, seed=seed) for name, found in sides.items()} if untrusted else {}


def _sides(trials: Sequence[Trial], first: Sequence[Array], second: Sequence[Array]) -> Sides:
    """Two arms on the judging rows of all trials."""
    one, other = (
        np.concatenate([found[:, len(trial.choosing) :] for trial, found in zip(trials, side, strict=True)], axis=1)
        for side in (first, second)
    )
    return Sides(one, other, np.concatenate([trial.judging.labels for trial in trials]), trials[0].rows.classes)
