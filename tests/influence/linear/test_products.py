"""Packed products and one matrix at a time: both equal the sums written out."""

import numpy as np
import pytest

from culpa.influence.linear import products

PRECISIONS = {np.float64: 1e-11, np.float32: 2e-4}
SHAPES = {"packed": (6, 10), "one matrix at a time": (30, 3)}  # width, matrices


@pytest.fixture(params=SHAPES)
def shape(request):
    width, matrices = SHAPES[request.param]
    assert products.worth_packing(width, matrices) == (request.param == "packed")
    return width, matrices


@pytest.fixture(params=PRECISIONS)
def precision(request):
    return request.param


def drawn(shape, precision, rows=50):
    chance = np.random.default_rng(0)
    width, matrices = shape
    return (
        chance.standard_normal((width, rows)).astype(precision),
        chance.standard_normal((rows, matrices)).astype(precision),
        chance.standard_normal((matrices, width, width)),
    )


def sums_of(columns, weights):
    """The outer sums of a block that comes in two parts."""
    sums = products.OuterSums(len(columns), weights.shape[1], columns.dtype)
    sums.add(columns[:, :20], weights[:20])
    sums.add(columns[:, 20:], weights[20:])
    return sums.total()


def test_outer_sums_equal_the_sum_written_out(shape, precision):
    columns, weights, _ = drawn(shape, precision)
    found = sums_of(columns, weights)
    expected = np.einsum("am,mp,bm->pab", *(array.astype(np.float64) for array in (columns, weights, columns)))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=PRECISIONS[precision])


def test_quadratic_forms_equal_the_forms_written_out(shape, precision):
    columns, _, matrices = drawn(shape, precision)
    found = products.quadratic_forms(matrices, columns.dtype)(columns)
    expected = np.einsum("am,pab,bm->mp", columns.astype(np.float64), matrices, columns.astype(np.float64))
    assert found.dtype == precision
    np.testing.assert_allclose(found, expected, rtol=0, atol=10 * PRECISIONS[precision])


def test_both_strategies_agree(monkeypatch, precision):
    columns, weights, matrices = drawn((6, 10), precision)
    packed = sums_of(columns, weights), products.quadratic_forms(matrices, columns.dtype)(columns)
    monkeypatch.setattr(products, "worth_packing", lambda width, matrices: False)
    single = sums_of(columns, weights), products.quadratic_forms(matrices, columns.dtype)(columns)
    for one, other in zip(packed, single, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=10 * PRECISIONS[precision])


def test_only_the_symmetric_part_of_a_matrix_counts(shape):
    columns, _, matrices = drawn(shape, np.float64)
    turned = products.quadratic_forms(matrices.transpose(0, 2, 1), columns.dtype)(columns)
    np.testing.assert_allclose(products.quadratic_forms(matrices, columns.dtype)(columns), turned, rtol=0, atol=1e-11)


def test_blocks_make_a_symmetric_matrix_and_come_back_out_of_it():
    chance = np.random.default_rng(1)
    factors = chance.standard_normal((12, 12))
    whole = factors @ factors.T
    packed = products.packed_blocks(whole, 3)
    assert packed.shape == (6, 4, 4)
    np.testing.assert_array_equal(packed[1], whole[:4, 4:8])
    np.testing.assert_allclose(products.block_matrix(packed, 3), whole, rtol=0, atol=1e-14)


def test_blocks_cover_every_row_once_whatever_the_width():
    for rows, width in ((1, 1), (64, 10**9), (1_000, 30_000), (20_000, 1)):
        covered = np.concatenate([np.arange(rows)[part] for part in products.blocks(rows, width)])
        np.testing.assert_array_equal(covered, np.arange(rows))
    assert max(part.stop - part.start for part in products.blocks(10**5, 1_000)) * 1_000 <= products.BLOCK_ENTRIES
