"""A plan becomes trials, the trials a proof, and the proof the lines that the store keeps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from culpa.influence.gate import (
    FEWEST,
    Proof,
    Trial,
    choosing_and_judging,
    judge_of,
    judges_of,
    prove,
    small_to_large,
)
from culpa.influence.gate.verdict import RULE
from culpa.influence.proxies import fit_proxy, proxy_names
from culpa.influence.rows import Rows
from culpa.influence.scoring import main_proxy
from culpa.tasks.errors import BadInput
from culpa.tasks.proving.decided import order_of, peoples
from culpa.tasks.proving.turns import trials_in_turns
from culpa.tasks.proving.write_gate import Gated
from culpa.tasks.store import connect
from culpa.tasks.train import Prepared, proxy_options

if TYPE_CHECKING:
    from culpa.influence.proxy import Fitted
    from culpa.tasks.proving.gate import Proposal
    from culpa.tasks.settings import Settings

__all__ = ["prove_plan"]

MOST_JUDGES = 10_000  # reference rows in each half: more narrow the interval no further than matters
SLOW_ROUNDS, SLOW_SEEDS = (0.5, 1.0), 3  # for judges that take long to train
QUICK = ("linear", "forest", "neighbors")
ANOTHER = {True: "sklearn.ensemble:RandomForestClassifier", False: "sklearn.ensemble:RandomForestRegressor"}
Tell = Callable[[str, float], None]


def prove_plan(gated: Gated, proposal: "Proposal", prepared: Prepared, tell: Tell) -> Gated:
    """Judge the plan; `gated` with all that was found. Errors: BadInput for a judge that cannot be trained."""
    settings = proposal.settings
    trials = _trials(proposal, prepared, tell)
    choosing, judging = judges_of(trials)
    gated = replace(gated, choosing_rows=choosing, judging_rows=judging)
    if min(choosing, judging) < FEWEST:
        return replace(gated, verdict="not shown", reason=_too_few(choosing + judging), held_back=_all(proposal))
    main = _main(prepared, settings)
    judge = judge_of(settings.judge or main, before=None if settings.judge else _before(prepared, settings, main))
    quick = judge.name in QUICK
    try:
        proof = prove(
            trials,
            judge,
            gate=settings.gate,
            margin=settings.gate_margin,
            removals=len(proposal.removals),
            seeds=settings.seeds if quick or settings.judge else min(settings.seeds, SLOW_SEEDS),
            seed=settings.seed,
            proven=_is_proven(proposal),
            told=lambda done: tell("judge the cleaning", done),
            **({} if quick else {"rounds": SLOW_ROUNDS}),
        )
    except ValueError as error:
        raise BadInput(f"the judge {judge.name} cannot be trained on these rows: {error}") from error
    others = _another(trials, proof, prepared, settings)
    gated = replace(gated, judge=judge.name, trusted=not any(len(trial.doubted) for trial in trials))
    return _gated(gated, proposal, proof, others)


def _is_proven(proposal: "Proposal") -> bool:
    """Whether a batch's full run was let through with rows to drop: the rule then holds until the batch contradicts."""
    if proposal.run.onto is None:
        return False
    with connect(proposal.settings.store, read_only=True) as connection:
        asked = "SELECT passed AND gate <> 'off' AND allowed > 0 FROM gates WHERE run_id = ?"
        return connection.execute(asked, [proposal.run.onto]).fetchall() == [(True,)]


def _main(prepared: Prepared, settings: "Settings") -> str:
    names = proxy_names(settings.proxy)
    return main_proxy(prepared.trained) if prepared.is_trained else ("linear" if "linear" in names else names[0])


def _before(prepared: Prepared, settings: "Settings", name: str) -> "Fitted":
    """The main proxy as it was trained, else trained now: its choices serve every training of the gate."""
    if prepared.is_trained:
        return prepared.trained.fitted[name]
    everybody = np.ones(len(prepared.rows), np.bool_)
    return fit_proxy(name, prepared.rows, everybody, seed=settings.seed, options=proxy_options(prepared, settings))


def _trials(proposal: "Proposal", prepared: Prepared, tell: Tell) -> list[Trial]:
    """One trial where rows are trusted, else one for each part of the rows that judges the others."""
    if prepared.judging is None:
        return trials_in_turns(proposal, prepared, tell)
    choosing, judging = prepared.reference, prepared.judging
    if choosing is None:
        first, second = choosing_and_judging(judging)
        choosing, judging = judging.take(first), judging.take(second)
    trial = Trial(
        rows=prepared.rows,
        order=order_of(proposal.lines, prepared.row_ids),
        **peoples(proposal.lines, proposal.run.classes, prepared.rows, prepared.row_ids),
        choosing=_most(choosing),
        judging=_most(judging),
        doubted=np.zeros(0, np.bool_),
    )
    return [trial]


def _most(rows: Rows) -> Rows:
    """Rows enough to judge by; they come in an order that is random already."""
    return rows.take(np.arange(min(len(rows), MOST_JUDGES)))


def _another(
    trials: list[Trial], proof: Proof, prepared: Prepared, settings: "Settings"
) -> dict[str, Mapping[str, Sequence[Any]]]:
    """What the removals do for a model of another kind: judge -> comparison -> effects; none if it cannot learn."""
    if not proof.stop:
        return {}
    name = ANOTHER[bool(prepared.rows.classes)]
    if settings.judge:  # then the proxy is the other one
        name = _main(prepared, settings)
    other = judge_of(name, options=proxy_options(prepared, settings))
    try:
        seeds = min(settings.seeds, SLOW_SEEDS)
        return {other.name: small_to_large(trials, other, proof.stop, seeds=seeds, seed=settings.seed)}
    except ValueError:  # it informs, and no proof hangs on it
        return {}


def _among(proposal: "Proposal") -> str:
    """A word of caution where judges lie among the rows."""
    among = sum(bool(line["is_reference"]) for line in proposal.lines)
    said = (
        f" {among:,} of the rows are reference rows themselves: the gate's models never learn from them, flagging did."
    )
    return said if among else ""


def _too_few(rows: int) -> str:
    return (
        f"{rows} reference rows are left, needed {FEWEST} to choose and {FEWEST} to judge by: nothing is dropped but "
        "what people decided. Bring more trusted rows with --reference, or publish with --gate off."
    )


def _all(proposal: "Proposal") -> list[dict[str, str]]:
    return [{"row_id": row, "reason": "held back: the gate could not judge"} for row in proposal.removals]


def _gated(gated: Gated, proposal: "Proposal", proof: Proof, others: dict[str, Any]) -> Gated:
    """The proof as the store keeps it."""
    removals, on = proposal.removals, "reference rows" if gated.trusted else "agreeing rows"
    allowed = round(proof.share * len(removals))
    why = "beyond the stopping point" if proof.verdict.passed else f"refused, {proof.verdict.verdict}"
    effects = [
        *_effects(_told(proof.effects, proposal), gated.judge, on),
        *_effects(_told(proof.blurred, proposal), gated.judge, "all rows"),
        *(line for judge, found in others.items() for line in _effects(_told(found, proposal), judge, on)),
    ]
    return replace(
        gated,
        passed=proof.verdict.passed,
        verdict=proof.verdict.verdict,
        reason=proof.verdict.reason + _among(proposal),
        margin=proof.margin,
        allowed=allowed,
        detail={"shares": proof.shares, "stop": proof.stop, "share": proof.share},
        gate_effects=effects,
        gate_curve=_curve(proof, len(removals)),
        held_back=[{"row_id": row, "reason": f"held back by the gate: {why}"} for row in removals[allowed:]],
    )


def _told(found: Mapping[str, Sequence[Any]], proposal: "Proposal") -> Mapping[str, Sequence[Any]]:
    """Without the comparison with people's decisions where nobody decided: it is that with all rows."""
    decided = any(line["decided"] for line in proposal.lines)
    return found if decided else {name: effects for name, effects in found.items() if name != RULE}


def _effects(found: Mapping[str, Sequence[Any]], judge: str, on: str) -> list[dict[str, Any]]:
    return [
        {"comparison": comparison, "judged_on": on, "judge": judge, **asdict(effect)}
        for comparison, effects in found.items()
        for effect in effects
    ]


def _curve(proof: Proof, removals: int) -> list[dict[str, Any]]:
    return [
        {
            "arm": arm,
            "removed": round(share * removals),
            "loss": float(curve.loss[place]),
            "effect": float(curve.effect[place]),
            "low": float(curve.effect[place] - 1.96 * curve.error[place]),
            "high": float(curve.effect[place] + 1.96 * curve.error[place]),
            "chosen": arm == "cleaned" and share == proof.stop,
        }
        for arm, curve in (("cleaned", proof.cleaned), ("random", proof.random))
        for place, share in enumerate(proof.shares)
    ]
