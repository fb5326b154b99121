"""Laws of the linear proxy: order, blocks, precision and starts do not change the answer; what it refuses, and how."""

import numpy as np
import pytest

from culpa.influence.linear import fit_linear, products
from culpa.influence.linear.problem import INTERCEPT_SHARE, penalties
from culpa.influence.rows import Rows
from tests.influence.linear import dense
from tests.influence.small_rows import labelled, measured, with_copies

COLUMNS = ("without", "own_with", "own_without", "self_influence")
INFLUENCES = ("mean", "standard_error", "by_class", "on_probability")


@pytest.fixture(params=["classes", "numbers"])
def both(request):
    """Rows with duplicates, and reference rows."""
    if request.param == "numbers":
        return with_copies(measured(200), 9, [1.0, 2.0]), measured(60, seed=1)
    return with_copies(labelled(200, flipped=0.1)[0], 9, [0, 1]), labelled(60, seed=1)[0]


def everything(rows, reference, keep=None, **options):
    fitted = fit_linear(rows, keep, l2=0.02, **options)
    scores, influence = fitted.scores(), fitted.influence_on(reference)
    return {name: getattr(scores, name) for name in COLUMNS} | {name: getattr(influence, name) for name in INFLUENCES}


def assert_same(found, expected, tolerance, scale=lambda values: 1.0):
    for name, values in expected.items():
        bound = tolerance * scale(values)
        np.testing.assert_allclose(found[name], values, rtol=0, atol=bound, err_msg=name)


@pytest.mark.parametrize("memory", [2.0**30, 4_000.0, 1.0])
def test_permuting_the_rows_permutes_the_scores(both, memory):
    rows, reference = both
    order = np.random.default_rng(3).permutation(len(rows))
    keep = np.arange(len(rows)) % 7 > 0
    found = everything(rows.take(order), reference, keep[order], memory=memory)
    expected = {name: values[order] for name, values in everything(rows, reference, keep, memory=memory).items()}
    assert_same(found, expected, 1e-9)


def test_the_same_rows_give_the_same_scores_to_the_last_bit(both):
    first, second = everything(*both), everything(*both)
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)


@pytest.mark.parametrize("memory", [2.0**30, 1.0])
def test_the_size_of_blocks_does_not_matter(both, memory, monkeypatch):
    whole = everything(*both, memory=memory)
    monkeypatch.setattr(products, "BLOCK_ENTRIES", 64)
    assert len(list(products.blocks(202, 10))) == 4
    assert_same(everything(*both, memory=memory), whole, 1e-9)


def test_single_precision_gives_nearly_the_scores_of_double(both):
    rows, reference = both
    narrow = Rows(rows.features.astype(np.float32), rows.labels, rows.classes, rows.groups)
    panel = Rows(reference.features.astype(np.float32), reference.labels, rows.classes, reference.groups)
    assert_same(everything(narrow, panel), everything(rows, reference), 2e-3, lambda values: np.abs(values).max())


def test_a_start_does_not_change_the_scores(both):
    rows, reference = both
    start = np.random.default_rng(0).standard_normal((max(rows.classes, 1), 5))
    assert_same(everything(rows, reference, start=start), everything(rows, reference), 1e-6)


def test_moving_and_scaling_a_target_moves_and_scales_the_prediction_of_ridge():
    rows = measured(100)
    moved = Rows(rows.features, 3 * rows.labels, 0, rows.groups)
    one, three = fit_linear(rows, l2=0.02), fit_linear(moved, l2=0.02)
    np.testing.assert_allclose(3 * one.scores().without, three.scores().without, rtol=0, atol=1e-8)
    np.testing.assert_allclose(9 * one.scores().self_influence, three.scores().self_influence, rtol=0, atol=1e-8)


def test_copying_every_row_halves_the_influence_of_each():
    rows, reference = labelled(200, flipped=0.1)[0], labelled(60, seed=1)[0]
    twice = Rows(*(np.concatenate([part] * 2) for part in (rows.features, rows.labels)), 3, np.tile(rows.groups, 2))
    one, two = (fit_linear(some, l2=0.02).influence_on(reference).mean for some in (rows, twice))
    np.testing.assert_allclose(two[:200], one / 2, rtol=0, atol=1e-9)
    np.testing.assert_allclose(two[200:], one / 2, rtol=0, atol=1e-9)


def test_candidates_have_the_influence_of_a_row_like_the_reference_row_on_the_others():
    rows, reference = labelled(150, flipped=0.1)[0], labelled(40, seed=1)[0]
    fitted = fit_linear(rows, l2=0.02)
    found = fitted.influence_of_candidates(reference, 10)
    assert found.shape == (10, 3)
    hessian = dense.dense_hessian(rows, fitted.weights, 150 * 0.02)
    for place in range(10):
        others = dense.gradients(dense.but(reference, place), fitted.weights).mean(axis=0)
        for label in range(3):
            planted = Rows(reference.features[[place]], np.array([label]), 3, np.zeros(1, np.int64))
            expected = dense.gradients(planted, fitted.weights)[0] @ np.linalg.solve(hessian, others)
            assert found[place, label] == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("l2", [0.0, -1.0, np.nan, np.inf])
def test_a_penalty_that_is_not_positive_is_refused_with_what_to_try(l2):
    with pytest.raises(ValueError, match=r"l2 must be positive and finite, got .*singular.*try 1e-3"):
        fit_linear(labelled(50)[0], l2=l2)


def test_the_intercept_is_penalised_by_its_share():
    np.testing.assert_array_equal(penalties(3, 0.5), [0.5, 0.5, 0.5, 0.5 * INTERCEPT_SHARE])


def test_nobody_kept_and_no_reference_row_are_refused_with_what_to_do():
    rows = labelled(50)[0]
    with pytest.raises(ValueError, match=r"none of 50 rows is kept.*keep some rows"):
        fit_linear(rows, np.zeros(50, np.bool_), l2=0.1)
    with pytest.raises(ValueError, match=r"no reference rows came.*pass the trusted rows"):
        fit_linear(rows, l2=0.1).influence_on(rows.take(np.arange(0)))


def test_arrays_of_other_lengths_and_labels_that_are_no_codes_are_refused():
    with pytest.raises(ValueError, match=r"do not fit: needed one matrix and two vectors over the same rows"):
        Rows(np.ones((5, 2)), np.zeros(4, np.int64), 2, np.arange(5))
    with pytest.raises(ValueError, match=r"labels run from 0 to 2, needed codes 0 to 1"):
        Rows(np.ones((3, 2)), np.arange(3), 2, np.arange(3))


def test_a_class_without_rows_is_scored_and_never_preferred():
    rows = labelled(100)[0]
    more = Rows(rows.features, rows.labels, 4, rows.groups)
    scores = fit_linear(more, l2=0.02).scores()
    assert scores.without.shape == (100, 4)
    assert scores.without[:, 3].max() < 0.2
    assert all(np.isfinite(values).all() for values in vars(scores).values())


def test_every_fit_tells_what_it_chose():
    report = fit_linear(labelled(100)[0]).report()
    assert report["l2"] in [l2 for l2, _ in report["l2_grid"]]
    assert report["parameters"] == 15
    assert report["solved_in"] == "features"
