"""More features than rows: solved in the rows' span, every score stays what it was in full dimension."""

import numpy as np
import pytest

from culpa.influence.linear import fit_linear, proxy
from culpa.influence.linear.wide import narrow_axes
from culpa.influence.rows import Rows
from tests.influence.small_rows import with_copies

COLUMNS = ("without", "own_with", "own_without", "self_influence")
INFLUENCES = ("mean", "standard_error", "by_class", "on_probability")


def wide(count, classes, seed=0, features=70):
    chance = np.random.default_rng(seed)
    matrix = chance.standard_normal((count, features))
    signal = matrix @ np.random.default_rng(99).standard_normal((features, max(classes, 1)))
    labels = signal.argmax(axis=1) if classes else signal[:, 0]
    return Rows(matrix, labels, classes, np.arange(count))


@pytest.fixture(params=[0, 3])
def rows(request):
    rows = wide(40, request.param)
    return with_copies(rows, 4, [rows.labels[4], rows.labels[5]])


def in_full_dimension(monkeypatch, *arguments, **options):
    with monkeypatch.context() as patch:
        patch.setattr(proxy, "narrow_axes", lambda features: None)
        return fit_linear(*arguments, **options)


def test_wide_rows_get_the_scores_of_the_full_dimension(rows, monkeypatch):
    keep = np.arange(len(rows)) % 6 > 0
    reference = wide(30, rows.classes, seed=1)
    narrow = fit_linear(rows, keep, l2=0.02)
    full = in_full_dimension(monkeypatch, rows, keep, l2=0.02)
    assert narrow.weights.shape[1] <= 42 < full.weights.shape[1]
    assert narrow.report()["solved_in"] == "rows"
    assert full.report()["solved_in"] == "features"
    for column in COLUMNS:
        found, expected = getattr(narrow.scores(), column), getattr(full.scores(), column)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7, err_msg=column)
    for column in INFLUENCES:
        found, expected = (getattr(fitted.influence_on(reference), column) for fitted in (narrow, full))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7, err_msg=column)
    some = np.arange(5)
    found, expected = (fitted.influence_between(some, reference) for fitted in (narrow, full))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


def test_wide_rows_in_single_precision_get_nearly_the_same_scores(rows):
    single = Rows(rows.features.astype(np.float32), rows.labels, rows.classes, rows.groups)
    found, expected = (fit_linear(some, l2=0.02).scores() for some in (single, rows))
    for column in COLUMNS:
        np.testing.assert_allclose(
            getattr(found, column), getattr(expected, column), rtol=1e-3, atol=1e-3, err_msg=column
        )


def test_the_axes_are_orthonormal_and_span_the_rows(rows):
    axes = narrow_axes(rows.features)
    assert axes.shape == (70, 40)  # 42 rows, two of them copies
    np.testing.assert_allclose(axes.T @ axes, np.eye(40), rtol=0, atol=1e-9)
    np.testing.assert_allclose(rows.features @ axes @ axes.T, rows.features, rtol=0, atol=1e-9)


def test_rows_that_outnumber_their_features_need_no_axes():
    assert narrow_axes(np.eye(5)) is None
    assert narrow_axes(np.ones((5, 4))) is None
