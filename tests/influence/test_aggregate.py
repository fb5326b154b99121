"""Aggregates by hand, their sign, and what one loud reference row does to each."""

import numpy as np
import pytest

from culpa.influence import aggregate

CHANCE = np.random.default_rng(0)


@pytest.fixture
def planted():
    """Twenty rows over two layers and nine reference rows; row 3 harms all of them a little, noise is small."""
    influence = 0.1 * CHANCE.standard_normal((20, 2, 9))
    influence[3] -= 1
    return influence


@pytest.mark.parametrize("combine", [aggregate.mean, aggregate.ranks, lambda scores: aggregate.votes(scores, 5)])
def test_the_row_that_harms_every_reference_row_comes_out_lowest(combine, planted):
    assert combine(planted).shape == (20,)
    assert combine(planted).argmin() == 3


def test_one_loud_reference_row_drowns_the_mean_but_no_rank_and_no_vote(planted):
    loud = planted.copy()
    loud[7, 0, 0] = -1_000
    assert aggregate.mean(loud).argmin() == 7
    assert aggregate.ranks(loud).argmin() == 3
    assert aggregate.votes(loud, 5).argmin() == 3


def test_ranks_and_votes_do_not_change_with_a_reference_rows_scale(planted):
    scaled = planted * CHANCE.uniform(0.1, 10, size=(1, 2, 9))
    np.testing.assert_allclose(aggregate.ranks(scaled), aggregate.ranks(planted))
    np.testing.assert_allclose(aggregate.votes(scaled, 4), aggregate.votes(planted, 4))


def test_votes_are_the_formula(planted):
    found, expected = aggregate.votes(planted, 4), np.zeros(20)
    for column in planted.reshape(20, -1).T:
        for place, row in enumerate(np.argsort(column)[:4]):
            expected[row] -= 4 - place
    np.testing.assert_array_equal(found, expected)


def test_the_class_minimum_sees_a_class_that_the_mean_forgives():
    influence = np.array([[1.0, 1.0, 1.0, -2.0], [0.1, 0.1, 0.1, 0.1]])
    labels = np.array([0, 0, 0, 1])
    assert aggregate.mean(influence).argmin() == 1
    np.testing.assert_array_equal(aggregate.class_minimum(influence, labels), [-2.0, 0.1])


def test_the_matrix_by_class_is_the_mean_over_each_classs_reference_rows_and_all_layers(planted):
    labels = np.array([4, 1, 1, 4, 7, 7, 1, 1, 4])
    found = aggregate.by_class(planted, labels)
    expected = np.stack([planted[:, :, labels == label].mean(axis=(1, 2)) for label in (1, 4, 7)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(aggregate.class_minimum(planted, labels), found.min(axis=1))


@pytest.mark.parametrize("name", aggregate.AGGREGATIONS)
def test_every_aggregation_can_be_asked_for_by_name(name, planted):
    labels = np.arange(9) % 3
    found = aggregate.AGGREGATIONS[name](planted, labels)
    assert found.shape == (20,)
    assert found.argmin() == 3
    order = CHANCE.permutation(20)
    np.testing.assert_allclose(aggregate.AGGREGATIONS[name](planted[order], labels), found[order])


def test_a_tenth_of_the_rows_is_voted_on_if_no_number_is_given(planted):
    np.testing.assert_array_equal(aggregate.votes(planted), aggregate.votes(planted, 2))


def test_the_sum_is_the_mean_times_the_reference_rows(planted):
    np.testing.assert_allclose(aggregate.total(planted), 18 * aggregate.mean(planted))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: aggregate.mean(np.ones(3)), r"influence of the shape \(3,\) came, needed \(rows, reference rows\)"),
        (lambda: aggregate.ranks(np.ones((3, 0))), "with one reference row at least"),
        (lambda: aggregate.votes(np.ones((3, 2)), 0), "must be 1 or more, got 0"),
        (lambda: aggregate.class_minimum(np.ones((3, 2)), np.array([0])), "2 reference rows and 1 labels came"),
    ],
)
def test_bad_input_says_what_came_and_what_was_needed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
