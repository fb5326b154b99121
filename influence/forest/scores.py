"""Every row with and without itself: trees that hold it against trees that do not.

    memorization(i) = mean of P_t(own label) over trees t that hold row i - the same over trees that do not

which is Feldman & Zhang's definition (2020, eq. 1) with a tree for the model and its bag for the subset. `without`
asks for more: trees that hold no duplicate of the row either. It is smoothed by half a tree of equal shares, so that
no probability is 0 or 1, and never looks at the row's own label. Two kinds of rows have no such pair of trees, and
get the exact effect on their leaves instead: a row in no bag is put into all its leaves once, and a row with kept
duplicates, which are always in the same bags, is taken out of the leaves that hold it while its duplicates stay.
Self-influence is the effect of taking the row out of its leaves on its own loss (`reference` has the loss), averaged
over all trees.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.forest.leaves import Change, leaves_of
from culpa.influence.forest.trees import Grown
from culpa.influence.proxy import ProxyScores
from culpa.influence.rows import Rows

__all__ = ["score_block"]

SMOOTHING = 0.5  # trees


@dataclass(frozen=True)
class Membership:
    """Who belongs to which bags, as far as it does not depend on the tree."""

    groups: NDArray[np.intp]  # (rows,) duplicate groups, numbered from 0
    idle: NDArray[np.bool_]  # (rows,) in no bag
    copied: NDArray[np.bool_]  # (rows,) kept, and another kept row is its duplicate
    rate: float  # how often a kept row is drawn into a bag, in the mean


@dataclass
class _Sums:
    """Sums over trees for one block of rows."""

    without: NDArray[np.float64]  # (rows, outputs) over trees without the group
    trees_without: NDArray[np.float64]  # (rows,)
    own: NDArray[np.float64]  # (rows,) own label's value over all trees
    own_held: NDArray[np.float64]  # (rows,) over trees with the row
    trees_held: NDArray[np.float64]  # (rows,)
    left: NDArray[np.float64]  # (rows,) over trees with the row, after taking it out of its leaf
    put_in: NDArray[np.float64]  # (rows,) over all trees, after putting the row in once
    self_influence: NDArray[np.float64]  # (rows,)


def score_block(rows: Rows, block: slice, trees: tuple[Grown, ...], member: Membership, blank: float) -> ProxyScores:
    """Scores of one block of rows; `blank` is said of a row of which no tree can speak."""
    part = rows.take(np.arange(block.start, block.stop))
    sums = _Sums(np.zeros((len(part), max(rows.classes, 1))), *(np.zeros(len(part)) for _ in range(7)))
    held = np.zeros(int(member.groups.max()) + 1, np.bool_)
    for grown in trees:
        held[:] = False
        held[grown.bag.groups] = True
        _add_tree(sums, part, grown, held[member.groups[block]], block, member)
    return _scores(sums, part, member.idle[block], member.copied[block], len(trees), blank)


def _add_tree(sums: _Sums, part: Rows, grown: Grown, held: NDArray[np.bool_], block: slice, member: Membership) -> None:
    """Add what one tree says of a block of rows."""
    leaves = leaves_of(grown, sums.without.shape[1])
    leaf = grown.apply(part.features)
    values = leaves.values[leaf]
    own = values[np.arange(len(part)), part.labels] if part.classes else values[:, 0]
    sums.without += values * ~held[:, None]
    sums.trees_without += ~held
    sums.own += own
    sums.put_in += own + ((1.0 if part.classes else part.labels) - own) / (leaves.weight[leaf] + 1)
    first, last = np.searchsorted(grown.bag.rows, [block.start, block.stop])
    inside = grown.bag.rows[first:last] - block.start
    taken = leaves.taking_out(leaf[inside], grown.bag.weight[first:last])
    moved = _move(taken, leaves.values, part.take(inside))
    sums.own_held[inside] += own[inside]
    sums.trees_held[inside] += 1
    sums.left[inside] += own[inside] + moved
    sums.self_influence[inside] += _own_loss_change(moved, part.take(inside), own[inside], taken.square)
    idle = np.flatnonzero(member.idle[block])
    put = leaves.putting_in(leaf[idle], member.rate)
    moved = _move(put, leaves.values, part.take(idle))
    sums.self_influence[idle] += _own_loss_change(moved, part.take(idle), own[idle], put.square)


def _move(change: Change, values: NDArray[np.float64], part: Rows) -> NDArray[np.float64]:
    """P(own label) without the row - with it, or the prediction's: (rows,)."""
    if part.classes:
        return np.asarray(change.factor * (values[change.node, part.labels] - 1))
    return np.asarray(change.factor * (values[change.node, 0] - part.labels))


def _own_loss_change(
    moved: NDArray[np.float64], part: Rows, own: NDArray[np.float64], square: float
) -> NDArray[np.float64]:
    """Loss of each row at itself without the row - with it: (rows,), >= 0."""
    if part.classes:
        return -moved
    return np.maximum(moved * (square * moved - 2 * (part.labels - own)), 0)


def _scores(
    sums: _Sums, part: Rows, idle: NDArray[np.bool_], copied: NDArray[np.bool_], trees: int, blank: float
) -> ProxyScores:
    """Turn sums over trees into scores."""
    alone = _ratio(sums.own - sums.own_held, trees - sums.trees_held, blank)
    own_without = np.where(copied & ~idle, _ratio(sums.left, sums.trees_held, blank), alone)
    own_with = np.where(idle, sums.put_in / trees, _ratio(sums.own_held, sums.trees_held, blank))
    return ProxyScores(_outcome(sums, part.classes, blank), own_with, own_without, sums.self_influence / trees)


def _outcome(sums: _Sums, classes: int, blank: float) -> NDArray[np.float64]:
    """Probabilities strictly inside (0, 1), or predictions; without an out-of-bag tree equal shares, or `blank`."""
    if not classes:
        return _ratio(sums.without[:, 0], sums.trees_without, blank)[:, None]
    smoothed = sums.without + SMOOTHING / classes
    return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))


def _ratio(above: NDArray[Any], below: NDArray[Any], otherwise: float) -> NDArray[np.float64]:
    """above / below, and `otherwise` where below is 0."""
    return np.where(below > 0, above / np.maximum(below, 1), otherwise)
