"""The verdict: what the effects on the judging rows show, what the gate asks for, and why, in a paragraph.

    better      the loss falls beyond its interval, against all rows and against the draw at random, and no other metric
                is worse beyond its interval
    not worse   the interval of the loss leaves out a rise by more than the margin, and no metric is worse beyond it
    worse       the loss rises, or another metric falls, beyond the interval
    nothing to drop  the choosing rows let nothing go; refused only if all together would be worse by the margin
    not shown   none of these: too few rows judged

Without trusted rows the first two are said of rows whose labels agree with the run's own scores; and accuracy on
all judged rows, whose wrong labels blur it but do not turn it round, must not be worse by more than .005. What people
decided is published whatever the gate says, so the rule's rows are judged against people's decisions alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from culpa.influence.gate.effects import Effect

__all__ = ["ALL", "RANDOM", "RANDOM_LESS_ALL", "RULE", "Judged", "Verdict", "reach", "stay"]

RULE, ALL = "cleaned less decisions alone", "cleaned less all"  # the rule's own work, and that of rule and people
RANDOM, RANDOM_LESS_ALL = "cleaned less random", "random less all"
Gate = Literal["better", "not-worse", "off"]
PASSES = {"better": ("better",), "not-worse": ("better", "not worse")}


@dataclass(frozen=True)
class Judged:
    """What the judging rows said."""

    effects: Mapping[str, Sequence[Effect]]  # comparison -> metrics, the loss first; on the rows that count
    blurred: Sequence[Effect]  # cleaned less all on all judged rows; empty where the rows are trusted
    rows: int
    trusted: bool
    doubted: int = 0  # more rows that do not count: their own label is contradicted


@dataclass(frozen=True)
class Verdict:
    """Whether the rule's removals may be done."""

    passed: bool
    verdict: str
    reason: str


def reach(judged: Judged, *, gate: Gate, margin: float, removed: int) -> Verdict:
    """The verdict on removing so many rows; `margin` in units of the loss."""
    word = _word(judged, margin)
    passed = gate == "off" or word in PASSES[gate]
    return Verdict(passed, word, _reason(judged, word, gate, margin, removed, passed))


def stay(judged: Judged, *, gate: Gate, margin: float, removed: int) -> Verdict:
    """The verdict where the choosing rows let nothing go: refused if all removals together are worse by the margin."""
    worse = judged.effects[RULE][0].high < -margin
    passed = gate == "off" or not worse
    said = [
        f"Of the {removed:,} rows that the rule would drop, dropping none did as well as dropping any, within one "
        "standard error, on the reference rows that choose: nothing is dropped but what people decided. On the rows "
        "that judge, dropping all of them would have done this:",
        *(_sentence(one) for one in judged.effects[RULE]),
        *([REFUSED.format(gate=gate)] if not passed else []),
    ]
    return Verdict(passed, "worse" if worse else "nothing to drop", " ".join(said))


REFUSED = (
    "That is worse by more than the margin, and the gate asks for {gate}: look at the rule, or at the rows it names."
)


def _word(judged: Judged, margin: float) -> str:
    against_all, against_random = judged.effects[RULE], judged.effects[RANDOM]
    loss = against_all[0]
    if loss.high < 0 or any(one.high < 0 for one in against_all[1:]) or _blurred_worse(judged):
        return "worse"
    if loss.low > 0 and against_random[0].low > 0:
        return "better"
    return "not worse" if loss.low >= -margin else "not shown"


def _blurred_worse(judged: Judged) -> bool:
    return any(one.metric == "accuracy" and one.high < -BLUR for one in judged.blurred)


BLUR = 0.005  # accuracy on rows of unknown labels may fall by so much


def _reason(judged: Judged, word: str, gate: Gate, margin: float, removed: int, passed: bool) -> str:
    whom = f"{judged.rows:,} trusted rows" if judged.trusted else f"{judged.rows:,} rows that nobody vouches for, but"
    control = judged.effects[RANDOM][0]
    said = [
        f"Trained without the {removed:,} rows that the rule drops, the model was judged on {whom} that the cleaning "
        "had not seen.",
        *(_sentence(one) for one in judged.effects[RULE]),
        f"Against as many rows of each class dropped at random, {_name(control)} is {_better(control)}.",
        *(
            f"On all judged rows, wrong labels among them, {_name(one)} is {_better(one)}."
            for one in judged.blurred[1:2]
        ),
        f"The cleaning is {word}{f' (a rise of the loss by {margin:.3g} still counts as not worse)' * _close(word)}.",
        *([] if judged.trusted else [UNTRUSTED.format(doubted=judged.doubted)]),
    ]
    if not passed:
        said.append(f"The gate asks for {gate}: nothing is dropped but what people decided. {_cure(word)}")
    return " ".join(said)


UNTRUSTED = (
    "The judges' labels are only confirmed by the run's own scores, which lets easy rows judge; {doubted:,} more are "
    "contradicted and do not count. Bring trusted rows with --reference for more than that."
)


def _close(word: str) -> bool:
    return word in ("not worse", "not shown")


def _sentence(effect: Effect) -> str:
    name = _name(effect)
    return f"{name[:1].upper()}{name[1:]} went from {effect.second:.3g} to {effect.first:.3g}, {_better(effect)}."


def _better(effect: Effect) -> str:
    how = "better" if effect.effect >= 0 else "worse"
    return f"{how} by {abs(effect.effect):.2g} (95 % interval {effect.low:+.2g} to {effect.high:+.2g})"


def _name(effect: Effect) -> str:
    return effect.metric.replace("_", " ").replace("f1", "F1")


def _cure(word: str) -> str:
    if word == "not shown":
        return "More reference rows would narrow the interval; --gate-margin says how much is tolerable."
    return "Look at `select * from review_queue`, decide rows by hand, or publish with --gate off."
