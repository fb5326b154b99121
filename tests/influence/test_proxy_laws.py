"""Laws that every proxy keeps, whatever its model."""

from functools import partial

import numpy as np
import pytest

from culpa.influence.forest import fit_forest
from culpa.influence.linear import fit_linear
from culpa.influence.neighbors import fit_neighbors
from tests.influence.small_rows import labelled, measured, relabelled, with_copies

LOCAL = {"forest": partial(fit_forest, seed=0, trees=80), "neighbors": partial(fit_neighbors, seed=0)}
PROXIES = {"linear": partial(fit_linear, l2=0.01), **LOCAL}
COLUMNS = ("without", "own_with", "own_without", "self_influence")


@pytest.fixture(params=PROXIES)
def fit(request):
    return PROXIES[request.param]


@pytest.fixture(params=LOCAL)
def fit_local(request):
    """A proxy that asks only the rows nearby; a linear model hangs together, and takes a row out by a Newton step."""
    return LOCAL[request.param]


@pytest.fixture(params=["classes", "numbers"])
def rows(request):
    return labelled(flipped=0.1)[0] if request.param == "classes" else measured()


def everybody(rows):
    return np.ones(len(rows), np.bool_)


def same(left, right, columns=COLUMNS, at=slice(None)):
    for column in columns:
        np.testing.assert_array_equal(getattr(left, column)[at], getattr(right, column)[at], err_msg=column)


def test_probabilities_lie_strictly_between_0_and_1_and_add_up_to_1(fit):
    rows, _ = labelled(flipped=0.1)
    without = fit(rows, everybody(rows)).scores().without
    assert without.shape == (len(rows), 3)
    assert (without > 0).all()
    assert (without < 1).all()
    np.testing.assert_allclose(without.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_self_influence_is_never_negative_and_everything_is_finite(fit, rows):
    keep = np.arange(len(rows)) % 5 > 0
    scores = fit(rows, keep).scores()
    assert (scores.self_influence >= 0).all()
    for column in COLUMNS:
        assert np.isfinite(getattr(scores, column)).all(), column


def test_the_same_seed_gives_the_same_scores(fit, rows):
    reference = rows.take(np.arange(0, 40))
    first, second = fit(rows, everybody(rows)), fit(rows, everybody(rows))
    same(first.scores(), second.scores())
    same(first.influence_on(reference), second.influence_on(reference), ("mean", "standard_error", "by_class"))


def test_a_row_that_is_not_kept_influences_no_other_row(fit, rows):
    keep = np.arange(len(rows)) != 7
    moved = relabelled(rows, 7, 2)
    others = np.arange(len(rows)) != 7
    same(fit(rows, keep).scores(), fit(moved, keep).scores(), at=others)


def test_without_a_row_and_its_duplicates_their_labels_do_not_matter(fit_local, rows):
    copied = with_copies(rows, 7, [0, 0])
    several = [7, len(copied) - 2, len(copied) - 1]
    before = fit_local(copied, everybody(copied)).scores().without
    after = fit_local(relabelled(copied, several, 2), everybody(copied)).scores().without
    np.testing.assert_allclose(before[several], after[several], rtol=0, atol=1e-12)
    np.testing.assert_allclose(before[several], before[[7, 7, 7]], rtol=0, atol=1e-12)


def test_duplicates_of_the_own_label_make_a_row_less_memorized(fit_local):
    rows, _ = labelled()
    wrong = relabelled(rows, 7, (rows.labels[7] + 1) % 3)
    copied = with_copies(wrong, 7, [wrong.labels[7]] * 3)
    alone, among = (fit_local(some, everybody(some)).scores() for some in (wrong, copied))
    assert (among.own_with - among.own_without)[7] < (alone.own_with - alone.own_without)[7]


def test_a_duplicate_of_the_reference_row_helps_it_and_with_a_wrong_label_harms_it(fit):
    rows, _ = labelled()
    for number in range(5):
        reference = rows.take(np.array([number]))
        right = int(reference.labels[0])
        copied = with_copies(rows, number, [right, (right + 1) % 3])
        influence = fit(copied, everybody(copied)).influence_on(reference)
        assert influence.mean[-2] > 0 > influence.mean[-1]
        assert influence.on_probability[-2] > 0 > influence.on_probability[-1]


def test_in_regression_a_duplicate_of_the_reference_row_helps_it_and_one_far_off_harms_it(fit_local):
    rows = measured()
    for number in range(5):
        reference = rows.take(np.array([number]))
        target = float(reference.labels[0])
        copied = with_copies(rows, number, [target, target + 9])
        influence = fit_local(copied, everybody(copied)).influence_on(reference)
        assert influence.mean[-2] > 0 > influence.mean[-1]


def test_the_mean_is_the_mean_over_classes_and_over_pairs(fit, rows):
    keep = np.arange(len(rows)) % 5 > 0
    reference = (labelled(60, seed=1)[0] if rows.classes else measured(60, seed=1)).take(np.arange(45))
    fitted = fit(rows, keep)
    found = fitted.influence_on(reference)
    pairs = fitted.influence_between(np.arange(len(rows)), reference)
    np.testing.assert_allclose(found.mean, pairs.mean(axis=1), rtol=0, atol=1e-12)
    for label in range(rows.classes):
        some = reference.labels == label
        np.testing.assert_allclose(found.by_class[:, label], pairs[:, some].mean(axis=1), rtol=0, atol=1e-12)


def test_a_class_without_reference_rows_has_no_mean(fit):
    rows, _ = labelled()
    reference = rows.take(rows.labels != 1)
    by_class = fit(rows, everybody(rows)).influence_on(reference).by_class
    assert np.isnan(by_class[:, 1]).all()
    assert np.isfinite(by_class[:, [0, 2]]).all()


def test_the_standard_error_is_that_of_the_mean_over_reference_rows(fit, rows):
    reference = rows.take(np.arange(0, 29))  # fewer than the forest's batches: there it is exact
    fitted = fit(rows, everybody(rows))
    pairs = fitted.influence_between(np.arange(len(rows)), reference)
    found = fitted.influence_on(reference).standard_error
    np.testing.assert_allclose(found, pairs.std(axis=1, ddof=1) / np.sqrt(29), rtol=1e-4, atol=1e-8)


def test_one_reference_row_has_no_standard_error(fit, rows):
    assert np.isnan(fit(rows, everybody(rows)).influence_on(rows.take(np.array([3]))).standard_error).all()


def test_flipped_rows_are_memorized_more_and_doubted_more(fit):
    rows, wrong = labelled(600, flipped=0.15)
    scores = fit(rows, everybody(rows)).scores()
    own = scores.without[np.arange(len(rows)), rows.labels]
    memorization = scores.own_with - scores.own_without
    assert memorization[wrong].mean() > memorization[~wrong].mean()
    assert own[wrong].mean() < 0.3 < 0.7 < own[~wrong].mean()


def test_flipped_rows_harm_trusted_reference_rows(fit):
    rows, wrong = labelled(600, flipped=0.15)
    mean = fit(rows, everybody(rows)).influence_on(labelled(200, seed=5)[0]).mean
    assert (mean[wrong] < np.median(mean[~wrong])).mean() > 0.8


def test_few_rows_of_one_group_still_get_scores(fit):
    for rows in (labelled(3)[0], measured(3)):
        together = with_copies(rows.take(np.array([0])), 0, [rows.labels[0]])
        for some in (rows, together):
            scores = fit(some, everybody(some)).scores()
            assert np.isfinite(scores.without).all()
            assert np.isfinite(scores.own_with).all()
            assert np.isfinite(scores.own_without).all()


def test_no_kept_row_and_no_reference_row_are_refused_with_what_to_do(fit, rows):
    with pytest.raises(ValueError, match=r"none of 240 rows is kept.*keep some rows"):
        fit(rows, ~everybody(rows))
    with pytest.raises(ValueError, match=r"no reference rows came.*pass the trusted rows"):
        fit(rows, everybody(rows)).influence_on(rows.take(np.arange(0)))


def test_a_fitted_proxy_survives_being_stored(fit, rows, tmp_path):
    import joblib

    fitted = fit(rows, everybody(rows))
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    same(fitted.scores(), joblib.load(tmp_path / "fitted.joblib").scores())
