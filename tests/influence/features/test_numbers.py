"""Columns of numbers: equal to scikit-learn's formulas, calm about outliers, scaled together on a shared scale."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler

from culpa.influence.features import fit_features
from culpa.influence.features.shared import find_shared


def fit_and_transform(columns, role="numeric"):
    plan = fit_features(columns, dict.fromkeys(columns, role), seed=0)
    return plan, plan.transform(columns)


def holes(values, share, seed=0):
    values = values.copy()
    values[np.random.default_rng(seed).random(values.shape) < share] = np.nan
    return values


def test_a_lone_column_equals_scikit_learns_pipeline():
    table = holes(load_breast_cancer().data[:, :6], 0.1)
    _, matrix = fit_and_transform({f"c{k}": table[:, k] for k in range(6)})
    values = make_pipeline(
        RobustScaler(unit_variance=True),
        SimpleImputer(strategy="constant", fill_value=0.0),
        FunctionTransformer(np.arcsinh),
        StandardScaler(),
    ).fit_transform(table)
    marks = StandardScaler().fit_transform(MissingIndicator(features="all").fit_transform(table).astype(float))
    np.testing.assert_allclose(matrix[:, 0::2], values.clip(-3, 3), rtol=0, atol=2e-6)
    np.testing.assert_allclose(matrix[:, 1::2], marks.clip(-3, 3), rtol=0, atol=2e-6)


def test_a_missing_value_lands_where_the_median_lands():
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0, np.nan])
    plan, matrix = fit_and_transform({"x": values})
    assert plan.names == ("x", "x is missing")
    assert matrix[5, 0] == pytest.approx(matrix[2, 0])


def test_pixels_share_a_scale_and_equal_the_pooled_formula():
    pixels = load_digits().data
    plan, matrix = fit_and_transform({f"p{k}": pixels[:, k] for k in range(64)})
    lit = pixels[:, pixels.std(axis=0) > 0]
    expected = (lit - lit.mean(axis=0)) / np.sqrt(lit.var(axis=0).mean())
    assert len(plan.names) == lit.shape[1] == 61
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("unit", [1.0, 1 / 255, 0.37])
def test_a_scale_is_found_in_any_unit_and_takes_in_dim_columns_but_no_stranger(unit):
    rng = np.random.default_rng(0)
    pixels = [np.r_[0.0, 255.0, rng.integers(0, 256, 500)] * unit for _ in range(8)]
    border = np.r_[np.zeros(501), 16.0] * unit
    age, rate = rng.integers(17, 90, 502) * unit, np.r_[0.0, rng.random(501)] * unit
    amount = np.r_[0.0, 99_999.0, rng.integers(0, 3000, 500)] * unit
    assert find_shared([*pixels, border, age, rate, amount]) == [list(range(9))]


def test_columns_of_zero_and_one_stay_apart_from_pixels():
    rng = np.random.default_rng(0)
    pixels = [np.r_[0.0, 255.0, rng.integers(0, 256, 500)] for _ in range(8)]
    bits = [np.r_[0.0, 1.0, rng.integers(0, 2, 500)] for _ in range(8)]
    assert find_shared([*bits, *pixels]) == [list(range(8, 16)), list(range(8))]


def test_seven_columns_make_no_scale_and_continuous_ones_take_in_nobody():
    rng = np.random.default_rng(0)
    columns = [np.r_[0.0, 1.0, rng.random(50)] for _ in range(8)]
    stranger = np.r_[0.0, rng.random(51) / 2]
    assert find_shared(columns[:7]) == []
    assert find_shared([*columns, stranger]) == [list(range(8))]


def test_a_wild_cell_does_not_crush_the_other_rows():
    values = load_breast_cancer().data[:, 0].copy()
    _, tame = fit_and_transform({"x": values})
    values[0] *= 1e6
    _, wild = fit_and_transform({"x": values})
    assert wild[1:].std() > 0.6 * tame[1:].std()  # plain standardisation leaves a hundred-thousandth
    assert wild.max() <= 3


def test_a_boolean_with_a_rare_yes_is_bounded():
    flags = np.zeros(1000)
    flags[3] = 1
    _, matrix = fit_and_transform({"flag": flags}, "boolean")
    assert matrix[3, 0] == 3
    assert np.unique(matrix).size == 2


def test_mostly_zero_counts_keep_their_order():
    counts = np.r_[np.zeros(90), 1, 2, 5, 10, 20, 50, 100, 1000, 1e5, 1e6]
    _, matrix = fit_and_transform({"gain": counts})
    assert np.isfinite(matrix).all()
    assert (np.diff(matrix[:, 0]) >= 0).all()


def test_columns_that_do_not_vary_get_no_feature_but_a_mark_where_some_are_missing():
    columns = {
        "same": np.ones(4),
        "void": np.full(4, np.nan),
        "some": np.array([1.0, np.nan, 1, 1]),
        "x": np.arange(4.0),
    }
    plan, matrix = fit_and_transform(columns)
    assert plan.names == ("some is missing", "x")
    assert (matrix.std(axis=0) > 0).all()


def test_integers_and_booleans_are_numbers_too():
    _, whole = fit_and_transform({"x": np.arange(9), "b": np.arange(9) % 2 == 0})
    _, real = fit_and_transform({"x": np.arange(9.0), "b": (np.arange(9) % 2 == 0).astype(float)})
    np.testing.assert_array_equal(whole, real)


def test_a_span_beyond_double_precision_is_refused():
    with pytest.raises(ValueError, match=r"'x' runs from .* too wide .* take logarithms"):
        fit_and_transform({"x": np.r_[np.zeros(8), 1e200, -1e200]})
