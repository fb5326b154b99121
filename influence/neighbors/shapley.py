"""What each row is worth to one reference row: the exact Shapley value in the k-nearest-neighbour game.

Rows stand in order of distance, ranks 1..N. A coalition S is worth what its k nearest say of the reference row:

    classification   (1/k) sum over them of [own label = reference label]        a probability
    regression       -((1/k) sum over them of target - reference target)^2       targets less the kept rows' mean

(a missing neighbour counts 0: no agreement, or the mean). The values follow by one recursion from the farthest row to
the nearest, in O(N) after sorting. Positive helps. A row that takes no part in the training is valued as if it stood
in for the kept row next in rank.

Source: Jia et al. 2019, "Efficient task-specific data valuation for nearest neighbor algorithms", theorems 1 and 6.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["AgreementGame", "TargetGame"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AgreementGame:
    """The game of a reference row with a class.

    v_i - v_(i+1) = (a_i - a_(i+1)) min(k, i) / (k i),    v_N = a_N min(k, N) / (k N).
    """

    agree: Array  # (N,) 1 where a row has the reference row's label, by rank
    k: int

    def values(self) -> Array:
        """The Shapley value of each rank, (N,)."""
        steps = self.agree * self._share()
        steps[:-1] -= self.agree[1:] * self._share()[:-1]
        return steps[::-1].cumsum()[::-1]

    def stand_in(self, values: Array, rank: NDArray[np.intp], agree: Array) -> Array:
        """Values of other rows, each in the place of the one of this rank (from 0)."""
        return values[rank] + (agree - self.agree[rank]) * self._share()[rank]

    def _share(self) -> Array:
        rank = np.arange(1, len(self.agree) + 1)
        return np.minimum(self.k, rank) / (self.k * rank)


@dataclass(frozen=True)
class TargetGame:
    """The game of a reference row with a number.

    With c_i = min(k, i) / i, b_l = min(k, l-1) min(k-1, l-2) / ((l-1) (l-2)):
    v_i - v_(i+1) = (y_(i+1) - y_i) / k {c_i [(y_i + y_(i+1)) / k - 2 t] + (1/k) [c_i before_i + after_i]}, where
    before_i = min(k-1, i-1) / (i-1) times the sum of y_l over l < i, and after_i = the sum of b_l y_l over l > i + 1.
    """

    targets: Array  # (N,) by rank, less the kept rows' mean
    target: float  # the reference row's, less the same mean
    k: int

    def values(self) -> Array:
        """The Shapley value of each rank, (N,)."""
        steps = np.append(self._step(np.arange(len(self.targets) - 1), self.targets[:-1]), self._last(self.targets[-1]))
        return steps[::-1].cumsum()[::-1]

    def stand_in(self, values: Array, rank: NDArray[np.intp], targets: Array) -> Array:
        """Values of other rows, each in the place of the one of this rank (from 0)."""
        last = len(self.targets) - 1
        inner = np.minimum(rank, max(last - 1, 0))
        if not last:
            return np.asarray(self._last(targets))
        farther = values[inner + 1] + (targets - self.targets[inner]) * self._pull()[inner + 1]
        return np.asarray(np.where(rank == last, self._last(targets), farther + self._step(inner, targets)))

    def _step(self, rank: NDArray[np.intp], own: Array) -> Array:
        """v_i - v_(i+1) with `own` at rank i (from 0)."""
        y, k, near = self.targets, self.k, self._near(rank)
        before = np.append(0.0, y.cumsum())[rank] * self._nearer(rank)
        number = np.arange(3, len(y) + 1)
        shares = np.minimum(k, number - 1) * np.minimum(k - 1, number - 2) / ((number - 1) * (number - 2))
        after = np.append((shares * y[2:])[::-1].cumsum()[::-1], 0.0)[rank]
        following = y[rank + 1]
        inside = near * ((own + following) / k - 2 * self.target) + (near * before + after) / k
        return np.asarray((following - own) / k * inside)

    def _last(self, own: Any) -> Any:
        """v_N with `own` at rank N."""
        count = len(self.targets)
        inside = min(self.k, count)
        others = self.targets[:-1].sum() / max(count - 1, 1)
        middle = others * inside * (inside - 1) / self.k - 2 * self.target * inside + own * inside / self.k
        return -own / (self.k * count) * middle

    def _pull(self) -> Array:
        """How v_i grows with the target of any one nearer row: (N,)."""
        y, count, rank = self.targets, len(self.targets), np.arange(len(self.targets) - 1)
        inside = min(self.k, count)
        end = -y[-1] * inside * (inside - 1) / (self.k**2 * count * max(count - 1, 1))
        steps = np.append(np.diff(y) * self._near(rank) * self._nearer(rank) / self.k**2, end)
        return steps[::-1].cumsum()[::-1]

    def _near(self, rank: NDArray[np.intp]) -> Array:
        return np.minimum(self.k, rank + 1) / (rank + 1)

    def _nearer(self, rank: NDArray[np.intp]) -> Array:
        return np.minimum(self.k - 1, rank) / np.maximum(rank, 1)
