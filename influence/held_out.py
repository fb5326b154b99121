"""The main proxy beside reference rows that it never saw: the place where influence is put to the test.

Trusted rows never took part in the training. Without any, one fold is held out, as in `scoring`: the proxy is fitted
again on the other folds, and the fold's voters, rows whose own label the others confirm, are the reference.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from culpa.influence.folds import assign_folds, fold_count
from culpa.influence.linear import FittedLinear, fit_linear
from culpa.influence.proxies import fit_proxy
from culpa.influence.proxy import Fitted
from culpa.influence.rows import Rows
from culpa.influence.scoring import main_proxy, voters
from culpa.influence.training import Trained

__all__ = ["LEAST_REFERENCE", "LEAST_ROWS", "HeldOut", "TooFew", "hold_out"]

LEAST_ROWS = 200  # labelled; with fewer, a figure about the run would say more about chance
LEAST_REFERENCE = 20
MOST_REFERENCE = 2_000  # a mean over so many is settled


class TooFew(ValueError):
    """The rows do not suffice for a figure that means anything; the message says what was needed."""


@dataclass(frozen=True)
class HeldOut:
    """A main proxy, the rows it was given, and rows that it never saw."""

    trained: Trained  # its main proxy alone, `keep` without the reference rows
    rows: Rows
    reference: Rows
    place: NDArray[np.int64]  # (rows,) where each row lies among the run's rows


def hold_out(
    trained: Trained, rows: Rows, reference: Rows | None, *, l2: float | None = None, most: int | None = None
) -> HeldOut:
    """The main proxy on the rows, or on every k-th so that at most `most` remain, beside its reference rows.

    `l2` is the strength at which the linear proxy's influence was measured, if that is not the strength it predicts
    best with (`trusted`). Errors: TooFew below 200 rows, or 20 reference rows.
    """
    if len(rows) < LEAST_ROWS:
        raise TooFew(f"{len(rows)} labelled rows came, needed {LEAST_ROWS} or more")
    place = np.arange(0, len(rows), 1 if most is None else -(-len(rows) // most))
    some = rows if len(place) == len(rows) else rows.take(place)
    held = _voters(trained, rows)[place] if reference is None else np.zeros(len(some), np.bool_)
    judges = some.take(held) if reference is None else reference
    if len(judges) < LEAST_REFERENCE:
        raise TooFew(f"{len(judges)} rows can serve as reference, needed {LEAST_REFERENCE} or more")
    keep = trained.keep[place] if reference is not None else trained.keep[place] & ~_first_fold(rows)[place]
    fitted = _fitted(trained, some, keep, l2)
    alone = replace(trained, fitted={main_proxy(trained): fitted}, keep=keep, scores={})
    return HeldOut(alone, some, judges.take(np.arange(min(len(judges), MOST_REFERENCE))), place)


def _fitted(trained: Trained, rows: Rows, keep: NDArray[np.bool_], l2: float | None) -> Fitted:
    name = main_proxy(trained)
    before = trained.fitted[name]
    if isinstance(before, FittedLinear) and l2 is not None:
        total = l2 * trained.keep.sum()
        return fit_linear(rows, keep, l2=float(total / keep.sum()), start=before.weights)
    if len(rows) == len(trained.keep) and (keep == trained.keep).all():
        return before
    return fit_proxy(name, rows, keep, seed=trained.seed, before=before)


def _first_fold(rows: Rows) -> NDArray[np.bool_]:
    held_out: NDArray[np.bool_] = assign_folds(rows, fold_count(len(rows))) == 0
    return held_out


def _voters(trained: Trained, rows: Rows) -> NDArray[np.bool_]:
    """The rows of the first fold that may serve as reference."""
    return _first_fold(rows) & voters(trained, rows)
