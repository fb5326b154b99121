"""Folds that take turns as reference rows."""

import numpy as np
import pytest

from culpa.influence.folds import assign_folds, fold_count
from culpa.influence.rows import Rows
from tests.influence.small_rows import labelled, measured


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_are_stratified_to_within_one_row(folds):
    labels = np.repeat([0, 1, 2, 3], [301, 57, 11, 4])
    labels = labels[np.random.default_rng(0).permutation(len(labels))]
    rows = Rows(np.zeros((len(labels), 1)), labels, 4, np.arange(len(labels)))
    fold = assign_folds(rows, folds)
    counts = np.array([np.bincount(fold[labels == label], minlength=folds) for label in range(4)])
    assert (counts.max(axis=1) - counts.min(axis=1) <= 1).all()


def test_numbers_are_counted_off_evenly():
    np.testing.assert_array_equal(np.bincount(assign_folds(measured(103), 5)), [21, 21, 21, 20, 20])


def test_duplicates_lie_in_one_fold_whatever_their_labels():
    rows, _ = labelled(300)
    groups = np.random.default_rng(0).integers(0, 80, 300)
    fold = assign_folds(Rows(rows.features, rows.labels, 3, groups), 5)
    for group in np.unique(groups):
        assert len(set(fold[groups == group])) == 1
    assert np.bincount(fold, minlength=5).min() > 30


def test_a_fold_does_not_depend_on_the_labels_of_other_classes():
    rows, _ = labelled(300)
    moved = Rows(rows.features, np.where(rows.labels == 2, 1, rows.labels), 3, rows.groups)
    same = rows.labels == 0
    np.testing.assert_array_equal(assign_folds(rows, 5)[same], assign_folds(moved, 5)[same])


def test_many_rows_need_only_two_folds():
    assert [fold_count(rows) for rows in (100, 20_000, 20_001, 10**6)] == [5, 5, 2, 2]
