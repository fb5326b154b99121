"""Who is drawn together, and what in-bag and out-of-bag trees say."""

import numpy as np

from culpa.influence.forest import fit_forest
from culpa.influence.forest.bags import bag_drawer
from tests.influence.small_rows import labelled


def test_a_bag_holds_all_kept_rows_of_a_duplicate_group_or_none():
    groups = np.random.default_rng(0).integers(0, 50, 400)
    keep = np.arange(400) % 3 > 0
    draw = bag_drawer(groups, keep, subsample=50_000, seed=0)
    for tree in range(10):
        bag = draw(tree)
        held = np.isin(groups, bag.groups)
        np.testing.assert_array_equal(bag.rows, np.flatnonzero(held & keep))
        assert all(len(set(bag.weight[groups[bag.rows] == group])) == 1 for group in bag.groups)


def test_bags_stay_near_the_subsample_and_below_its_double():
    draw = bag_drawer(np.arange(20_000), np.ones(20_000, np.bool_), subsample=1_000, seed=0)
    assert draw(0).weight.sum() == 1_000
    lopsided = np.where(np.arange(20_000) < 15_000, 0, np.arange(20_000))
    numbers = np.unique(lopsided, return_inverse=True)[1]
    draw = bag_drawer(numbers, np.ones(20_000, np.bool_), subsample=1_000, seed=0)
    assert max(len(draw(tree).rows) for tree in range(40)) <= 2_000


def test_scores_are_means_over_trees_with_and_without_the_row():
    rows, _ = labelled(120, flipped=0.2)
    fitted = fit_forest(rows, seed=3, trees=40)
    scores = fitted.scores()
    own = np.array([grown.values(3)[grown.apply(rows.features), rows.labels] for grown in fitted.trees])
    held = np.array([np.isin(np.arange(120), grown.bag.rows) for grown in fitted.trees])
    np.testing.assert_allclose(scores.own_with, (own * held).sum(0) / held.sum(0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(scores.own_without, (own * ~held).sum(0) / (~held).sum(0), rtol=0, atol=1e-12)
    smooth = ((own * ~held).sum(0) + 0.5 / 3) / ((~held).sum(0) + 0.5)
    np.testing.assert_allclose(scores.without[np.arange(120), rows.labels], smooth, rtol=0, atol=1e-12)


def test_rows_in_no_bag_are_put_into_their_leaves_once():
    rows, _ = labelled(120, flipped=0.2)
    keep = np.arange(120) != 5
    fitted = fit_forest(rows, keep, seed=3, trees=40)
    expected = []
    for grown in fitted.trees:
        leaf = grown.apply(rows.features[5:6])
        share, weight = grown.values(3)[leaf, rows.labels[5]], grown.tree.weighted_n_node_samples[leaf]
        expected.append((share * weight + 1) / (weight + 1))
    np.testing.assert_allclose(fitted.scores().own_with[5], np.mean(expected), rtol=0, atol=1e-12)


def test_blocks_of_rows_do_not_change_the_answer(monkeypatch):
    rows, _ = labelled(200, flipped=0.1)
    reference = labelled(50, seed=2)[0]
    fitted = fit_forest(rows, np.arange(200) % 9 > 0, seed=0, trees=20)
    whole, on = fitted.scores(), fitted.influence_on(reference)
    monkeypatch.setattr("culpa.influence.forest.proxy.BLOCK_ENTRIES", 700)
    parts, on_parts = fitted.scores(), fitted.influence_on(reference)
    np.testing.assert_array_equal(whole.without, parts.without)
    np.testing.assert_array_equal(whole.self_influence, parts.self_influence)
    np.testing.assert_allclose(on.mean, on_parts.mean, rtol=0, atol=1e-15)
    np.testing.assert_allclose(on.standard_error, on_parts.standard_error, rtol=1e-6)


def test_large_sets_grow_fewer_trees():
    rows, _ = labelled(300)
    assert len(fit_forest(rows, seed=0).trees) == 200
    assert fit_forest(rows, seed=0, subsample=60, trees=3).report()["rows_per_tree"] == 60
