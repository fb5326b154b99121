"""The plan of a whole table: the same in blocks, after pickling, in any order of rows; and what it refuses."""

import pickle

import numpy as np
import pytest

from culpa.influence.features import fit_features, plan, text

ROLES = {"age": "numeric", "member": "boolean", "city": "categorical", "note": "text", "seen": "timestamp"}


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(0)
    n = 300
    words = np.array(["late", "parcel", "thanks", "broken", "refund", "again", "never"], dtype=object)
    table = {
        "age": rng.lognormal(3, 1, n),
        "member": rng.integers(0, 2, n).astype(float),
        "city": rng.choice(np.array(["Rome", "Oslo", None, "Lagos"], dtype=object), n),
        "note": np.array([" ".join(rng.choice(words, 4)) for _ in range(n)], dtype=object),
        "seen": rng.uniform(1.6e9, 1.7e9, n),
    }
    for name, missing in (("age", np.nan), ("member", np.nan), ("note", None), ("seen", np.nan)):
        table[name][rng.random(n) < 0.05] = missing
    return table


def test_every_role_gives_finite_named_varying_float32_features(columns):
    fitted = fit_features(columns, ROLES, seed=0)
    matrix = fitted.transform(columns)
    assert matrix.dtype == np.float32
    assert matrix.shape == (300, len(fitted.names)) == (300, len(set(fitted.names)))
    assert np.isfinite(matrix).all()
    assert (matrix.std(axis=0) > 0).all()
    assert [name for name in fitted.names if name.endswith("missing")] == [f"{name} is missing" for name in ROLES]


def test_blocks_of_rows_give_the_same_as_the_whole(columns, monkeypatch):
    fitted = fit_features(columns, ROLES, seed=0)
    whole = fitted.transform(columns)
    monkeypatch.setattr(plan, "BLOCK", 37)
    monkeypatch.setattr(text, "BLOCK", 11)
    np.testing.assert_array_equal(fitted.transform(columns), whole)
    np.testing.assert_array_equal(fitted.transform({k: v[100:120] for k, v in columns.items()}), whole[100:120])


def test_permuting_the_rows_permutes_the_features(columns):
    order = np.random.default_rng(1).permutation(300)
    shuffled = {name: values[order] for name, values in columns.items()}
    before = fit_features(columns, ROLES, seed=0).transform(columns)
    after = fit_features(shuffled, ROLES, seed=0).transform(shuffled)
    np.testing.assert_allclose(after, before[order], rtol=0, atol=1e-5)


def test_the_same_seed_gives_the_same_features(columns):
    first, second = (fit_features(columns, ROLES, seed=7).transform(columns) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_pickled_plan_is_the_same_plan(columns):
    fitted = fit_features(columns, ROLES, seed=0)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.names == fitted.names
    np.testing.assert_array_equal(again.transform(columns), fitted.transform(columns))


def test_columns_without_a_role_are_left_alone_and_no_rows_give_no_rows(columns):
    fitted = fit_features(columns | {"id": np.array([object()] * 300)}, ROLES, seed=0)
    assert fitted.transform({name: values[:0] for name, values in columns.items()}).shape == (0, len(fitted.names))


def test_features_come_in_the_order_of_the_roles(columns):
    backwards = dict(reversed(ROLES.items()))
    names = fit_features(columns, backwards, seed=0).names
    assert names[0] == "seen"
    assert names[-1] == "age is missing"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"age": None}, ValueError, r"no column 'age' among .*'city'.*: needed all of .*; pass the columns"),
        (
            {"age": np.array(["1"] * 300, dtype=object)},
            TypeError,
            r"numeric column 'age' came as object, needed float64",
        ),
        ({"city": np.ones(300)}, TypeError, r"categorical column 'city' came as float64, needed an object array"),
        (
            {"note": np.array([1.5, "a"] * 150, dtype=object)},
            TypeError,
            r"text column 'note' holds float, needed str or None",
        ),
        (
            {"age": np.r_[1.0, np.inf, np.ones(298)]},
            ValueError,
            r"'age' is infinite in 1 rows \(first at position 1\).*NaN",
        ),
        ({"age": np.ones(299)}, ValueError, r"different lengths.*'age': 299.*cut them by the same index"),
        ({"age": np.ones((300, 1))}, ValueError, r"'age' has the shape \(300, 1\), needed \(rows,\)"),
    ],
)
def test_what_does_not_fit_is_refused_at_transform_and_at_fit(columns, change, error, message):
    fitted = fit_features(columns, ROLES, seed=0)
    wrong = {name: values for name, values in (columns | change).items() if values is not None}
    with pytest.raises(error, match=message):
        fitted.transform(wrong)
    with pytest.raises(error, match=message):
        fit_features(wrong, ROLES, seed=0)


def test_unknown_roles_no_rows_and_nothing_that_varies_are_refused():
    with pytest.raises(ValueError, match=r"'x' has the role 'number', needed one of numeric"):
        fit_features({"x": np.ones(2)}, {"x": "number"}, seed=0)
    with pytest.raises(ValueError, match="no rows came in 1 columns"):
        fit_features({"x": np.ones(0)}, {"x": "numeric"}, seed=0)
    with pytest.raises(ValueError, match="none of the columns 'x' varies"):
        fit_features({"x": np.ones(5)}, {"x": "numeric"}, seed=0)
