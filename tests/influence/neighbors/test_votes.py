"""Neighbours' votes, counted by hand."""

import numpy as np
import pytest

from culpa.influence.neighbors import fit_neighbors
from culpa.influence.rows import Rows
from tests.influence.small_rows import labelled, measured, with_copies


def by_hand(rows, keep, i, k, holding):
    """Class shares (or the prediction) for row i from the nearest groups, and from `holding` at distance 0."""
    other = np.flatnonzero(keep & (rows.groups != rows.groups[i]))
    distance = np.linalg.norm(rows.features[other] - rows.features[i], axis=1)
    reach = np.unique(distance.round(9))[k]
    votes = distance < reach - 1e-6
    weight = np.exp(-2 * (distance[votes] / reach) ** 2)
    scale = k / np.unique(weight.round(9)).sum()
    voters = np.concatenate([other[votes], holding]).astype(int)
    weights = np.concatenate([weight * scale, np.full(len(holding), scale)])
    if not rows.classes:
        return np.array([weights @ rows.labels[voters] / weights.sum()])
    prior = (np.bincount(rows.labels[other], minlength=rows.classes) + 1) / (len(other) + rows.classes)
    votes = np.bincount(rows.labels[voters], weights, minlength=rows.classes) + prior
    return votes / votes.sum()


@pytest.mark.parametrize("make", [lambda: labelled(150, flipped=0.2)[0], lambda: measured(150)])
def test_scores_equal_votes_counted_by_hand(make):
    rows = with_copies(make(), 9, [1, 0])
    keep = np.arange(len(rows)) % 6 != 1
    keep[[9, 150, 151]] = True
    scores = fit_neighbors(rows, keep, seed=0, k=8).scores()
    for i in (1, 9, 40, 150):
        own = int(rows.labels[i]) if rows.classes else 0
        copies = [j for j in np.flatnonzero(keep & (rows.groups == rows.groups[i])) if j != i]
        np.testing.assert_allclose(scores.without[i], by_hand(rows, keep, i, 8, []), rtol=0, atol=1e-6)
        assert scores.own_without[i] == pytest.approx(by_hand(rows, keep, i, 8, copies)[own], abs=1e-6)
        assert scores.own_with[i] == pytest.approx(by_hand(rows, keep, i, 8, [*copies, i])[own], abs=1e-6)


def test_duplicates_are_one_neighbour_with_many_votes():
    rows, _ = labelled(60)
    copied = with_copies(rows, 9, [rows.labels[9]] * 40)
    fitted = fit_neighbors(copied, seed=0)
    assert len(fitted.points) == 60
    assert fitted.points.votes[[9]].sum() == 41


def test_many_points_are_sampled_and_every_row_is_scored():
    rows, _ = labelled(2_000)
    fitted = fit_neighbors(rows, seed=0, anchors=300)
    scores = fitted.scores()
    assert fitted.report()["points"] == 300
    assert (scores.without.argmax(axis=1) == rows.labels).mean() > 0.85
    assert (scores.own_with > scores.own_without).all()


def test_a_row_is_outvoted_by_its_nearest_neighbours_of_another_label():
    rows, _ = labelled(150)
    wrong = Rows(rows.features, np.where(np.arange(150) == 9, (rows.labels + 1) % 3, rows.labels), 3, rows.groups)
    others, shares = fit_neighbors(wrong, seed=0, k=10).outvoted_by(np.array([9, 20]), most=4)
    distance = np.linalg.norm(rows.features - rows.features[9], axis=1)
    near = [i for i in np.argsort(distance)[1:11] if wrong.labels[i] != wrong.labels[9]][:4]
    assert others[0].tolist() == near
    assert (shares[0] > 0).all()
    assert (np.diff(shares[0]) <= 0).all()
    assert ((others[1] >= 0) == (shares[1] > 0)).all()


def test_a_duplicate_with_another_label_outvotes_first():
    rows, _ = labelled(150)
    copied = with_copies(rows, 9, [(rows.labels[9] + 1) % 3])
    others, _ = fit_neighbors(copied, seed=0).outvoted_by(np.array([9]))
    assert others[0, 0] == 150
