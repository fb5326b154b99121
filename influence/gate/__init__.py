"""The gate: no cleaning without proof.

Models are trained again on all rows, on the cleaned ones, and on as many rows as the cleaning leaves but drawn at
random within each class. One half of the reference rows chooses how far the cleaning goes; the other half, which
nothing has looked at, judges the result.

Read in this order: `judge` (which model is trained again), `trial` (one data set, its removals and its reference
rows), `arms` (what is trained on what), `effects` (paired differences and their intervals), `stopping` (how far),
`verdict` (better, not worse, or refused), `prove` (all of it).
"""

from culpa.influence.gate.judge import Judge, judge_of
from culpa.influence.gate.judging import small_to_large
from culpa.influence.gate.prove import FEWEST, Proof, judges_of, prove
from culpa.influence.gate.split import choosing_and_judging
from culpa.influence.gate.trial import Trial
from culpa.influence.gate.verdict import Verdict

__all__ = [
    "FEWEST",
    "Judge",
    "Proof",
    "Trial",
    "Verdict",
    "choosing_and_judging",
    "judge_of",
    "judges_of",
    "prove",
    "small_to_large",
]
