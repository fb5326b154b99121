"""k-nearest-neighbour Shapley values equal the sum over all coalitions."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from culpa.influence.neighbors import fit_neighbors
from culpa.influence.neighbors.shapley import AgreementGame, TargetGame
from tests.influence.small_rows import labelled, measured, relabelled


def all_coalitions(count, worth):
    """Shapley values by definition: ranks 0..count-1, worth(sorted tuple of ranks)."""
    values = np.zeros(count)
    for i in range(count):
        others = [j for j in range(count) if j != i]
        for size in range(count):
            for coalition in combinations(others, size):
                gain = worth(tuple(sorted((*coalition, i)))) - worth(coalition)
                values[i] += gain / (count * comb(count - 1, size))
    return values


def agreement_worth(agree, k):
    return lambda ranks: sum(agree[j] for j in ranks[:k]) / k


def target_worth(targets, target, k):
    return lambda ranks: -((sum(targets[j] for j in ranks[:k]) / k - target) ** 2)


@pytest.mark.parametrize(("count", "k"), [(1, 1), (1, 3), (2, 3), (5, 3), (8, 3), (8, 1), (7, 7)])
def test_values_equal_the_sum_over_all_coalitions(count, k):
    chance = np.random.default_rng(count + k)
    agree = chance.integers(0, 2, count).astype(float)
    targets, target = chance.standard_normal(count), 0.7
    truth = all_coalitions(count, agreement_worth(agree, k))
    np.testing.assert_allclose(AgreementGame(agree, k).values(), truth, rtol=0, atol=1e-12)
    truth = all_coalitions(count, target_worth(targets, target, k))
    np.testing.assert_allclose(TargetGame(targets, target, k).values(), truth, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("count", "k"), [(1, 2), (2, 3), (7, 3), (7, 1)])
def test_a_row_that_stands_in_has_the_value_of_the_game_with_it_in_that_place(count, k):
    chance = np.random.default_rng(count + k)
    agree, targets = chance.integers(0, 2, count).astype(float), chance.standard_normal(count)
    games = (
        (AgreementGame(agree, k), 1.0, lambda a: AgreementGame(a, k)),
        (
            TargetGame(targets, -0.4, k),
            1.9,
            lambda a: TargetGame(a, -0.4, k),
        ),
    )
    for game, other, again in games:
        ranks = np.arange(count)
        found = game.stand_in(game.values(), ranks, np.full(count, other))
        for rank in ranks:
            changed = (agree if isinstance(game, AgreementGame) else targets).copy()
            changed[rank] = other
            assert found[rank] == pytest.approx(again(changed).values()[rank], abs=1e-12)


def test_values_add_up_to_what_all_neighbours_say():
    agree = np.random.default_rng(0).integers(0, 2, 200).astype(float)
    assert AgreementGame(agree, 20).values().sum() == pytest.approx(agree[:20].mean())


@pytest.mark.parametrize("make", [labelled, None])
def test_rows_are_valued_by_their_distance_to_the_reference_row(make):
    rows = make(90, flipped=0.2)[0] if make else measured(90)
    reference = rows.take(np.array([4, 30]))
    keep = np.arange(90) % 5 != 1
    found = fit_neighbors(rows, keep, seed=0, shapley_k=5).influence_between(np.arange(90), reference)
    for number in range(2):
        distance = ((rows.features - reference.features[number]) ** 2).sum(axis=1)
        order = [i for i in np.argsort(distance, kind="stable") if keep[i]]
        if rows.classes:
            game = AgreementGame((rows.labels[order] == reference.labels[number]).astype(float), 5)
        else:
            mean = rows.labels[keep].mean()
            game = TargetGame(rows.labels[order] - mean, reference.labels[number] - mean, 5)
        np.testing.assert_allclose(found[order, number], game.values(), rtol=0, atol=1e-12)


def test_a_row_that_is_not_kept_is_valued_as_if_it_stood_in_for_the_next():
    rows, _ = labelled(90, flipped=0.2)
    reference, keep = rows.take(np.array([4])), np.arange(90) != 60
    found = fit_neighbors(rows, keep, seed=0, shapley_k=5).influence_between(np.array([60]), reference)[0, 0]
    order = np.argsort(((rows.features - reference.features[0]) ** 2).sum(axis=1))
    following = order[list(order).index(60) + 1]
    instead = relabelled(rows, following, rows.labels[60])
    truth = fit_neighbors(instead, keep, seed=0, shapley_k=5).influence_between(np.array([following]), reference)[0, 0]
    assert found == pytest.approx(truth, abs=1e-12)


def test_leaving_far_rows_out_of_the_game_errs_by_no_more_than_one_over_their_rank():
    rows, _ = labelled(3_000, flipped=0.3)
    reference = labelled(20, seed=3)[0]
    index = np.arange(len(rows))
    exact = fit_neighbors(rows, seed=0).influence_between(index, reference)
    capped = fit_neighbors(rows, seed=0, ranks=100).influence_between(index, reference)
    assert (np.abs(exact - capped) <= 1 / 100).all()
    assert ((capped != 0).sum(axis=0) <= 100).all()


def test_too_many_reference_rows_are_subsampled_class_by_class():
    rows, reference = labelled(400)[0], labelled(900, seed=8)[0]
    whole = fit_neighbors(rows, seed=0).influence_on(reference)
    fitted = fit_neighbors(rows, seed=0, pairs=400 * 300)
    some = fitted.influence_on(reference)
    assert fitted.report()["most_reference_rows"] == 300
    assert np.isfinite(some.by_class).all()
    assert np.corrcoef(whole.mean, some.mean)[0, 1] > 0.95
