"""Planted labels: which rows, which labels, and none where a label is probably wrong already."""

import numpy as np
import pytest

from culpa.influence.calibration import plant
from culpa.influence.rows import Rows
from tests.influence.small_rows import labelled, measured


def sure(rows, probability=0.9):
    """Outcomes that give every row's own label this probability, and the next class the rest."""
    expected = np.zeros((len(rows), rows.classes))
    every = np.arange(len(rows))
    expected[every, rows.labels] = probability
    expected[every, (rows.labels + 1) % rows.classes] = 1 - probability
    return expected


def planted(rows, expected=None, wrong=None, share=0.1, seed=0):
    expected = sure(rows) if expected is None else expected
    return plant(rows, expected, np.zeros(len(rows)) if wrong is None else wrong, share=share, seed=seed)


def test_the_share_that_was_asked_for_is_wrong_and_nothing_else():
    rows = labelled(400)[0]
    found = planted(rows)
    changed = np.flatnonzero(found.rows.labels != rows.labels)
    assert sorted(found.place) == changed.tolist()
    assert len(changed) == 40
    assert found.confused.sum() == 20


def test_the_given_rows_are_left_as_they_were():
    rows = labelled(400)[0]
    before = rows.labels.copy()
    planted(rows)
    assert np.array_equal(rows.labels, before)


def test_even_ones_get_every_other_class_and_confused_ones_the_likely_one():
    rows = labelled(3000, classes=4)[0]
    found = planted(rows, share=0.5)
    steps = (found.rows.labels - rows.labels)[found.place] % 4
    assert np.all(steps[found.confused] == 1)
    counts = np.bincount(steps[~found.confused], minlength=4)
    assert counts[0] == 0
    assert counts[1:].min() > 0.8 * counts[1:].max()


def test_hard_rows_are_confused_in_proportion_to_their_doubt():
    rows = labelled(2000)[0]
    hard = np.arange(2000) < 200
    expected = np.where(hard[:, None], sure(rows, 0.55), sure(rows, 0.95))
    found = planted(rows, expected, share=0.1)
    of_the_hard = hard[found.place]
    assert of_the_hard[~found.confused].mean() == pytest.approx(0.1, abs=0.06)
    assert of_the_hard[found.confused].mean() == pytest.approx(0.5, abs=0.1)  # 200 * .45 = 1800 * .05


def test_a_row_that_is_probably_wrong_is_not_planted_in():
    rows = labelled(400)[0]
    wrong = np.where(np.arange(400) < 200, 0.6, 0.4)
    assert planted(rows, wrong=wrong).place.min() >= 200


def test_no_two_rows_of_a_duplicate_group_are_planted_in():
    rows = labelled(400)[0]
    twins = Rows(rows.features, rows.labels, 3, np.arange(400) // 4)
    groups = twins.groups[planted(twins, share=0.4).place]
    assert len(np.unique(groups)) == len(groups)


def test_the_seed_decides():
    rows = labelled(400)[0]
    assert np.array_equal(planted(rows, seed=1).place, planted(rows, seed=1).place)
    assert not np.array_equal(planted(rows, seed=1).place, planted(rows, seed=2).place)


def test_numbers_are_moved_by_ten_residuals_or_replaced_by_another_rows():
    rows = measured(400)
    expected = (rows.labels + 0.01)[:, None]
    found = planted(rows, expected)
    moved = (found.rows.labels - rows.labels)[found.place]
    assert np.allclose(moved[found.confused], -0.1)
    assert np.isin(found.rows.labels[found.place[~found.confused]], rows.labels).all()
