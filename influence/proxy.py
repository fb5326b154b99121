"""What every proxy promises: probabilities with and without each row, and each row's influence on reference rows.

Sign, everywhere: positive helps. Removing a row of positive influence raises the loss of the reference rows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from culpa.influence.rows import Rows
from culpa.influence.threads import in_threads


@dataclass(frozen=True)
class ProxyScores:
    """How one proxy sees every row, trained with it and without it."""

    without: NDArray[Any]
    """(rows, classes) P(class | trained without the row and its duplicates); rows sum to 1, strictly inside (0, 1).

    Regression: (rows, 1), the prediction.
    """
    own_with: NDArray[Any]  # (rows,) P(own label | trained with the row); regression: the prediction
    own_without: NDArray[Any]  # (rows,) P(own label | trained without the row itself, its duplicates in)
    self_influence: NDArray[Any]  # (rows,) >= 0, influence(i, i) in units of the proxy's loss


def score_blocks(
    rows: int, outputs: int, blocks: Iterable[slice], score: Callable[[slice], ProxyScores], *, threads: bool
) -> ProxyScores:
    """Score blocks of rows, in threads or in turn, into arrays made once (memory: no second copy of any score)."""
    whole = ProxyScores(np.empty((rows, outputs)), np.empty(rows), np.empty(rows), np.empty(rows))

    def fill(block: slice) -> None:
        part = score(block)
        for column in fields(ProxyScores):
            getattr(whole, column.name)[block] = getattr(part, column.name)

    if threads:
        in_threads(fill, blocks)
    else:
        for block in blocks:
            fill(block)
    return whole


@dataclass(frozen=True)
class ReferenceInfluence:
    """The effect of each single row on the reference rows: positive helps, in units of one row's removal."""

    mean: NDArray[Any]  # (rows,) mean over the reference rows
    standard_error: NDArray[Any]  # (rows,) of that mean, over the reference rows
    by_class: NDArray[Any]  # (rows, classes) mean over each class's reference rows, NaN if none; regression: (rows, 1)
    on_probability: NDArray[Any]
    """(rows,) mean effect on P(own label of the reference row): positive raises it; may be NaN in regression."""
    removal: NDArray[Any]
    """(rows,) rise of the mean reference loss when the row is removed, as near to retraining as the proxy knows.

    Linear with the exact curvature: to second order; the others: the mean.
    """


class Fitted(Protocol):
    """A proxy after training."""

    @property
    def name(self) -> str:
        """The proxy's name in tables and reports."""
        ...

    def scores(self) -> ProxyScores:
        """Score every row that was given to the fit, kept or not."""
        ...

    def influence_on(self, reference: Rows) -> ReferenceInfluence:
        """Give every row's influence on the reference rows."""
        ...

    def influence_between(self, index: NDArray[Any], reference: Rows) -> NDArray[np.float64]:
        """Give the influence of a few rows on each single reference row: (rows in index, reference rows)."""
        ...

    def report(self) -> dict[str, object]:
        """Tell what a run records of this proxy: choices made, and by what rule."""
        ...


@runtime_checkable
class Refitted(Fitted, Protocol):
    """A proxy that knows how it was made, and can be made again on other rows."""

    def again(self, rows: Rows, keep: NDArray[np.bool_]) -> Self:
        """The same choices, fitted on the kept ones of these rows."""
        ...


@runtime_checkable
class Predictor(Protocol):
    """A proxy that is one model, and can be asked about rows it was never given."""

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Probabilities of other rows, (rows, classes), or predictions, (rows, 1)."""
        ...


@runtime_checkable
class Retrained(Protocol):
    """A proxy that can be trained again on fewer of its rows with all else the same, at less than a whole fit."""

    def predict_without(self, keep: NDArray[np.bool_], rows: Rows) -> NDArray[np.float64]:
        """Outcomes of other rows by the same training on `keep` alone, (rows, classes) or (rows, 1)."""
        ...


@runtime_checkable
class OutOfSample(Protocol):
    """A proxy whose out-of-sample outcomes cost less than all its scores."""

    def without(self) -> NDArray[np.float64]:
        """The same as `scores().without`."""
        ...


@runtime_checkable
class Learner(Protocol):
    """A proxy that learned its rows epoch by epoch, and tells how it went."""

    def learning(self) -> dict[str, NDArray[np.float64]]:
        """Numbers of each row, (rows,) each, NaN where a row took no part."""
        ...


@runtime_checkable
class Restricted(Protocol):
    """A proxy whose influence can be restricted to some of its parameters."""

    def agreement_with_all_layers(self, reference: Rows) -> dict[str, float] | None:
        """How far the restriction orders a sample of rows as all parameters do, 1 = alike; None without one."""
        ...


@runtime_checkable
class Reader(Protocol):
    """A proxy that reads words, and can say which of a row's are to blame."""

    def words(
        self, index: NDArray[Any], reference: Rows, *, most: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Of each row the tokens that move the mean of the reference rows most, strongest first, and by how much.

        (rows in index, most) each; token -1 where a row has no more; positive helps.
        """
        ...


def without(fitted: Fitted) -> NDArray[np.float64]:
    """Outcomes of every row by a model that never saw it, (rows, classes) or (rows, 1), at the least cost."""
    return fitted.without() if isinstance(fitted, OutOfSample) else fitted.scores().without
