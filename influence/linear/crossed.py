"""Scores of rows by models that never saw them, where no closed form is to be trusted: five folds take turns.

The exact curvature takes a row out in closed form. The cheaper forms order rows well, but as a leave-one-out they are
off by more than the difference that matters (77 classes of text: a log-loss of .27 where held-out rows have .52), and
that would acquit wrong labels. Each fold is a fit from the whole model's weights, at the same penalty on the sum.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from culpa.influence.folds import assign_folds
from culpa.influence.linear.fit import fit_weights
from culpa.influence.linear.heads import Array
from culpa.influence.linear.problem import Problem, predict
from culpa.influence.rows import Rows

__all__ = ["FOLDS", "crossed_folds", "crossed_scores"]

FOLDS = 5
SLACK = 10.0  # of the fits' tolerance: moves a probability by less than a thousandth


def crossed_folds(problem: Problem, groups: NDArray[np.int64]) -> NDArray[np.intp]:
    """Fold of each row, (rows,): counted off by duplicate group, so that the order of the rows does not matter."""
    order = np.lexsort((problem.labels, groups))
    classes = problem.head.outputs if problem.head.outputs > 1 else 0
    fold = np.empty(len(order), np.intp)
    fold[order] = assign_folds(Rows(problem.features[order, :0], problem.labels[order], classes, groups[order]), FOLDS)
    return fold


def crossed_scores(
    problem: Problem, keep: NDArray[np.bool_], groups: NDArray[np.int64], weights: NDArray[np.float64]
) -> Array:
    """Each row's scores without its fold, (rows, outputs); rows that are not kept have those of the whole model.

    Duplicates share a fold. `problem` holds all rows, `weights` the fit on the kept ones.
    """
    scores = predict(problem.features, weights)
    fold = crossed_folds(problem, groups)
    for number in range(FOLDS):
        others, turn = keep & (fold != number), keep & (fold == number)
        if turn.any() and others.any():
            penalty = problem.penalty * (keep.sum() / others.sum())
            part = replace(problem, features=problem.features[others], labels=problem.labels[others], penalty=penalty)
            scores[turn] = predict(problem.features[turn], fit_weights(part, weights, SLACK))
    return scores
