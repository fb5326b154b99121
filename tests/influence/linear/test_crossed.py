"""Folds that judge from outside where no closed form does: each row by a model that never saw it or its copies."""

import numpy as np
import pytest

from culpa.influence.linear import fit_linear
from culpa.influence.linear.crossed import FOLDS, crossed_folds
from tests.influence.linear import dense
from tests.influence.small_rows import labelled, measured, with_copies

L2 = 0.02
CHEAP = 1.0  # bytes: the cheapest form


@pytest.fixture(params=["classes", "numbers"])
def rows(request):
    found = labelled(150, flipped=0.2)[0] if request.param == "classes" else measured(150)
    return with_copies(found, 9, list(found.labels[:2]))


def test_each_row_is_judged_by_a_refit_without_its_fold(rows):
    keep = np.arange(len(rows)) % 7 > 0
    fitted = fit_linear(rows, keep, l2=L2, memory=CHEAP)
    found, fold = fitted.scores(), crossed_folds(fitted.rows, rows.groups)
    for number in range(FOLDS):
        others, turn = rows.take(keep & (fold != number)), rows.take(keep & (fold == number))
        weights = dense.refit(others, L2 * keep.sum(), fitted.weights)
        expected = dense.outputs(turn, weights)
        if rows.classes:
            expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found.without[keep & (fold == number)], expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.without[~keep], fitted.predict(rows.take(~keep)))
    assert fitted.report()["without"] == "5 folds"


def test_folds_are_of_one_size_and_keep_copies_together(rows):
    fold = crossed_folds(fit_linear(rows, l2=L2, memory=CHEAP).rows, rows.groups)
    assert np.ptp(np.bincount(fold, minlength=FOLDS)) <= 4
    assert len(np.unique(fold[rows.groups == rows.groups[9]])) == 1


def test_a_row_and_its_copies_are_judged_by_the_same_model(rows):
    found = fit_linear(rows, l2=L2, memory=CHEAP).scores().without
    same = np.flatnonzero(rows.groups == rows.groups[9])
    assert len(same) > 1
    np.testing.assert_allclose(found[same], np.repeat(found[same[:1]], len(same), axis=0), rtol=0, atol=1e-12)


def test_folds_say_nearly_what_leaving_one_out_says(rows):
    exact, crossed = (fit_linear(rows, l2=L2, memory=memory).scores() for memory in (2.0**30, CHEAP))
    assert np.corrcoef(exact.without[:, 0], crossed.without[:, 0])[0, 1] > 0.98
