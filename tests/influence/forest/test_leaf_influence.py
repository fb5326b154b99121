"""Leaf influence equals leaf values counted again without the row, the trees' structure fixed."""

import numpy as np
import pytest

from culpa.influence.forest import fit_forest
from tests.influence.small_rows import labelled, measured, with_copies


def one_hot(rows):
    return np.eye(rows.classes)[rows.labels] if rows.classes else rows.labels[:, None]


def count_again(grown, rows, weights, outputs):
    """Value of every leaf and its node's members, by plain counting: weights (rows,) are those in this tree's bag."""
    inside = np.asarray(grown.tree.decision_path(rows.features.astype(np.float32)).todense()) > 0  # (rows, nodes)
    mass = inside.T @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (inside.T @ (weights[:, None] * outputs)) / mass[:, None]
    return values, mass


def prediction_of(grown, rows, weights, reference):
    """What the tree says of the reference rows; an empty leaf falls back to its parent."""
    values, mass = count_again(grown, rows, weights, one_hot(rows))
    leaf = grown.apply(reference.features)
    node = np.where(mass[leaf] > 1e-9, leaf, grown.parents()[leaf])
    return values[node]


def loss_of(fitted, reference, weights_of):
    """Loss of each reference row, averaged over the trees."""
    losses = np.zeros(len(reference))
    for grown in fitted.trees:
        said = prediction_of(grown, fitted.rows, weights_of(grown), reference)
        if reference.classes:
            losses += 1 - said[np.arange(len(reference)), reference.labels]
        else:
            losses += (reference.labels - said[:, 0]) ** 2
    return losses / len(fitted.trees)


def bag_weights(grown, count):
    weights = np.zeros(count)
    weights[grown.bag.rows] = grown.bag.weight
    return weights


@pytest.mark.parametrize("leaf_rows", [1, 3])
@pytest.mark.parametrize("make", [lambda: labelled(60, flipped=0.2)[0], lambda: measured(60)])
def test_leaf_influence_equals_leaf_values_counted_again_without_the_row(make, leaf_rows):
    rows = with_copies(make(), 3, [1])
    keep = np.arange(len(rows)) % 7 > 0
    fitted = fit_forest(rows, keep, seed=2, trees=12, leaf_rows=leaf_rows)
    reference = (labelled(25, seed=4)[0] if rows.classes else measured(25, seed=4)).take(np.arange(25))
    found = fitted.influence_between(np.arange(len(rows)), reference)
    for i in range(len(rows)):
        drawn = any(i in grown.bag.rows for grown in fitted.trees)

        def there(grown, i=i, drawn=drawn):
            weights = bag_weights(grown, len(rows))
            weights[i] = weights[i] if drawn else fitted.rate
            return weights

        def gone(grown, i=i):
            weights = bag_weights(grown, len(rows))
            weights[i] = 0
            return weights

        truth = loss_of(fitted, reference, gone) - loss_of(fitted, reference, there)
        np.testing.assert_allclose(found[i], truth, rtol=0, atol=1e-10)


@pytest.mark.parametrize("make", [lambda: labelled(80, flipped=0.2)[0], lambda: measured(80)])
def test_self_influence_is_the_diagonal_of_influence(make):
    rows = make()
    keep = np.arange(len(rows)) % 6 > 0
    fitted = fit_forest(rows, keep, seed=1, trees=20)
    diagonal = np.diag(fitted.influence_between(np.arange(len(rows)), rows))
    np.testing.assert_allclose(fitted.scores().self_influence, diagonal, rtol=0, atol=1e-12)
