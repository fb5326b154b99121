"""A batch that joins must leave the model where a whole fit on all rows would, and its rows with the same scores."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from culpa.influence.batches import Base, _influence, _look, begin, join
from culpa.influence.ensemble import look_again
from culpa.influence.linear import fit_linear
from culpa.influence.linear.growing import GROWN, begin_growing, fold_of
from culpa.influence.rows import Rows

SEED = 0


def many(rows, classes, *, wrong=0.0, seed=0):
    """Rows of a noisy linear rule, in double precision, so that a fit's tolerance does not blur what is compared."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, 6))
    scores = features @ np.random.default_rng(7).normal(size=(6, max(classes, 1))) * 2
    if not classes:
        return Rows(features, scores[:, 0] + generator.normal(size=rows), 0, np.arange(rows)), np.zeros(rows, bool)
    labels = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    flipped = generator.random(rows) < wrong
    labels[flipped] = (labels[flipped] + generator.integers(1, classes, flipped.sum())) % classes
    return Rows(features, labels, classes, np.arange(rows)), flipped


def split(rows, first):
    place = np.arange(len(rows))
    return rows.take(place[:first]), rows.take(place[first:])


def none_of(rows):
    return rows.take(np.zeros(0, np.intp))


def whole_fit(base, rows):
    """The oracle: everything fitted again on all rows, under the same penalty and opinion."""
    fitted = fit_linear(rows, l2=base.model.penalty / len(rows))
    view = look_again({"linear": fitted.scores().without}, rows, base.opinion)
    return fitted, begin_growing(rows, ~view.contradicted, fitted), view


def distance(rows, first):
    """Between the joined weights and those of a whole fit."""
    old, new = split(rows, first)
    joined, _ = join(begin(old, none_of(old)), new, none_of(rows), seed=SEED)
    return np.abs(joined.model.whole.weights - whole_fit(joined, rows)[0].weights).max()


def test_ridge_regression_joined_by_a_batch_is_the_whole_fit():
    rows, _ = many(3_000, 0)
    assert distance(rows, 2_000) < 1e-7


def test_what_a_softmax_fit_is_off_by_falls_with_the_square_of_the_move():
    rows, _ = many(8_000, 3)  # a quarter of the batch moves the weights half as far, as rows drawn at random do
    large, small = distance(rows, 7_000), distance(rows.take(np.arange(7_250)), 7_000)
    assert small < large / 2.5
    moved = np.abs(
        begin(rows, none_of(rows)).model.whole.weights - begin(split(rows, 7_000)[0], none_of(rows)).model.whole.weights
    ).max()
    assert large < moved / 20


@pytest.mark.parametrize("classes", [0, 3])
def test_the_rows_of_a_batch_get_the_scores_of_a_whole_fit(classes):
    rows, _ = many(6_000, classes, wrong=0.05)
    old, new = split(rows, 5_800)
    base, scored = join(begin(old, none_of(old)), new, none_of(rows), seed=SEED)
    fitted, growing, _ = whole_fit(base, rows)
    outcomes = {"linear": fitted.scores().without[5_800:]}
    view = _look(outcomes, new, base.opinion)
    found, late = fitted.scores(), slice(5_800, None)
    own = scored.by_proxy["linear"]["memorization"] if classes else scored.scores["probability_without"]
    oracle = (found.own_with - found.own_without)[late] if classes else np.exp(-(view.margin**2) / 2)
    np.testing.assert_allclose(own, oracle, atol=1e-4 if classes else 1e-6)
    np.testing.assert_allclose(scored.scores["self_influence"], found.self_influence[late], rtol=0.02, atol=1e-6)
    np.testing.assert_allclose(scored.scores["suspicion"], view.suspicion, atol=5e-3)
    np.testing.assert_allclose(scored.scores["probability_wrong"], view.probability_wrong, atol=1e-3)
    again = _influence(growing, new)
    assert spearmanr(scored.scores["influence"], again.removal).statistic > 0.995
    np.testing.assert_allclose(scored.scores["influence_se"], again.standard_error, rtol=0.05)


def test_planted_wrong_labels_of_a_batch_are_found_though_they_took_part_in_the_fit():
    rows, wrong = many(4_000, 3, wrong=0.1)
    old, new = split(rows, 3_600)
    _, scored = join(begin(old, none_of(old)), new, none_of(rows), seed=SEED)
    assert roc_auc_score(wrong[3_600:], scored.scores["suspicion"]) > 0.85
    assert scored.scores["influence"][wrong[3_600:]].mean() < scored.scores["influence"][~wrong[3_600:]].mean()


def test_rows_that_leave_again_leave_the_model_as_it_was():
    rows, _ = many(3_000, 0)
    old, new = split(rows, 2_500)
    base = begin(old, none_of(old))
    voting = np.ones(len(new), bool)
    model = base.model.joined(new, none_of(rows)).heard(new, voting, none_of(rows), voting[:0])
    assert model.whole.rows == len(rows)
    model = model.joined(none_of(rows), new).heard(none_of(rows), voting[:0], new, voting)
    np.testing.assert_allclose(model.whole.weights, base.model.whole.weights, atol=1e-9)
    np.testing.assert_allclose(model.whole.hessian, base.model.whole.hessian, rtol=1e-9, atol=1e-6)
    assert model.whole.rows == len(old)
    for now, before in zip(model.folds, base.model.folds, strict=True):
        np.testing.assert_allclose(now.panel.counts, before.panel.counts)
        np.testing.assert_allclose(now.panel.gradients, before.panel.gradients, atol=1e-6)


def test_two_batches_one_after_the_other_are_both_at_once():
    rows, _ = many(3_000, 0)
    old, new = split(rows, 2_400)
    first, second = split(new, 300)
    base = begin(old, none_of(old))
    once, _ = join(base, new, none_of(rows), seed=SEED)
    twice, scored = join(join(base, first, none_of(rows), seed=SEED)[0], second, none_of(rows), seed=SEED)
    np.testing.assert_allclose(twice.model.whole.weights, once.model.whole.weights, atol=1e-10)
    assert len(scored.scores["suspicion"]) == len(second)


@pytest.mark.parametrize("classes", [0, 3])
def test_a_base_read_back_from_its_arrays_scores_as_before(classes):
    rows, _ = many(1_500, classes)
    old, new = split(rows, 1_400)
    base = begin(old, none_of(old))
    again = Base.of({name: value.copy() for name, value in base.arrays().items()})
    for column, found in join(again, new, none_of(rows), seed=SEED)[1].scores.items():
        np.testing.assert_array_equal(found, join(base, new, none_of(rows), seed=SEED)[1].scores[column])


def test_equal_rows_share_a_fold_whatever_stands_beside_them():
    rows, _ = many(4_000, 3)
    fold = fold_of(rows.features, 2)
    order = np.random.default_rng(1).permutation(len(rows))
    np.testing.assert_array_equal(fold_of(rows.features[order], 2), fold[order])
    assert 0.45 < fold.mean() < 0.55
    assert fold_of(np.array([[0.0, 1.0]]), 2) == fold_of(np.array([[-0.0, 1.0]]), 2)


def test_a_model_that_has_grown_by_more_than_its_share_is_stale():
    rows, _ = many(2_000, 0)
    old, new = split(rows, 1_000)
    few, rest = split(new, int(GROWN * 1_000))
    grown, _ = join(begin(old, none_of(old)), few, none_of(rows), seed=SEED)
    assert not grown.model.is_stale
    assert join(grown, rest.take(np.arange(1)), none_of(rows), seed=SEED)[0].model.is_stale


def test_a_model_without_the_exact_curvature_says_that_it_cannot_grow():
    rows, _ = many(500, 3)
    fitted = fit_linear(rows, l2=0.01, memory=1_000.0)
    with pytest.raises(ValueError, match="cannot grow"):
        begin_growing(rows, np.ones(500, bool), fitted)
