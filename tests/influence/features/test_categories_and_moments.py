"""Columns of categories and of moments."""

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder

from culpa.influence.features import fit_features

HOUR, DAY = 3600.0, 86_400.0


def objects(*values):
    return np.array(values, dtype=object)


def fit_one(values, role, new=None):
    plan = fit_features({"c": values}, {"c": role}, seed=0)
    return plan, plan.transform({"c": values if new is None else new})


def test_levels_equal_scikit_learns_one_hot_up_to_centre_and_one_width():
    values = np.random.default_rng(0).choice(objects("a", "b", "c", "d"), 300, p=[0.5, 0.3, 0.19, 0.01])
    plan, matrix = fit_one(values, "categorical")
    plain = OneHotEncoder(min_frequency=3, sparse_output=False).fit_transform(values[:, None])
    centred = plain - plain.mean(axis=0)
    np.testing.assert_allclose(matrix, centred / np.sqrt(centred.var(axis=0).sum()), rtol=0, atol=2e-6)
    assert plan.names[:3] == ("c=a", "c=b", "c=c")


def test_a_categorical_column_weighs_as_much_as_one_standardised_number():
    values = np.random.default_rng(1).choice(objects("a", "b", "c", None), 400)
    _, matrix = fit_one(values, "categorical")
    assert matrix.var(axis=0).sum() == pytest.approx(1, abs=1e-5)


def test_missing_is_a_level_and_is_not_the_word_none():
    plan, matrix = fit_one(objects("None", None, "None", None, "x", "x"), "categorical")
    assert plan.names == ("c=None", "c=x", "c is missing")
    assert (matrix[0] != matrix[1]).any()


def test_an_unknown_level_counts_as_a_rare_one():
    values = objects(*["a"] * 20, *["b"] * 20, "c", "d")
    plan, known = fit_one(values, "categorical")
    _, unknown = fit_one(values, "categorical", objects("never seen", None))
    assert plan.names == ("c=a", "c=b", "c is rare")
    np.testing.assert_array_equal(unknown, known[[-1, -1]])


def test_an_unknown_level_without_rare_ones_is_no_level_at_all():
    values = objects(*["a"] * 20, *["b"] * 20)
    _, unknown = fit_one(values, "categorical", objects("never seen", None))
    np.testing.assert_allclose(unknown, -0.5 / np.sqrt(0.5), rtol=1e-6)


def test_many_levels_are_capped_and_one_level_gives_no_feature():
    many = np.repeat(objects(*(f"level {k}" for k in range(200))), 12)
    plan, _ = fit_one(many, "categorical")
    assert len(plan.names) == 64
    with pytest.raises(ValueError, match="none of the columns 'c' varies"):
        fit_one(objects("a", "a"), "categorical")


def test_two_rows_are_never_further_apart_in_a_category_than_three():
    _, matrix = fit_one(objects(*["a"] * 998, "b", "b"), "categorical")
    assert np.linalg.norm(matrix[0] - matrix[-1]) == pytest.approx(3, abs=1e-5)


def test_midnight_is_near_on_the_circle_of_the_day():
    start = np.datetime64("2024-03-04T00:00:00").astype("datetime64[s]").astype(float)
    moments = start + np.arange(0, 10 * DAY, HOUR)
    plan, matrix = fit_one(moments, "timestamp")
    assert plan.names == ("c", "c: cos of the day", "c: sin of the day")
    angle = 2 * np.pi * (np.arange(240) % 24) / 24
    np.testing.assert_allclose(matrix[:, 1:], np.c_[np.cos(angle), np.sin(angle)], rtol=0, atol=1e-6)


def test_days_have_no_hours_and_the_week_is_found_in_weeks_and_the_year_in_years():
    plan, _ = fit_one(np.arange(0, 30 * DAY, DAY), "timestamp")
    assert plan.names == ("c", "c: cos of the week", "c: sin of the week")
    plan, matrix = fit_one(np.arange(0, 800 * DAY, DAY), "timestamp")
    assert plan.names[3:] == ("c: cos of the year", "c: sin of the year")
    assert matrix[:, 1:].var(axis=0).sum() == pytest.approx(1, abs=1e-5)


def test_weekly_moments_have_no_place_in_the_week():
    plan, _ = fit_one(np.arange(0, 70 * DAY, 7 * DAY), "timestamp")
    assert plan.names == ("c",)


def test_a_missing_moment_lies_in_the_middle_of_every_cycle():
    moments = np.arange(0, 10 * DAY, HOUR)
    moments[5] = np.nan
    plan, matrix = fit_one(moments, "timestamp")
    assert plan.names[1] == "c is missing"
    np.testing.assert_array_equal(matrix[5, 2:], 0)
