"""Columns of text: equal to TF-IDF with singular vectors, of a stated weight, calm about empty and unknown ones."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from culpa.influence.features import fit_features, text

WORDS = [
    "card",
    "lost",
    "stolen",
    "refund",
    "arrived",
    "transfer",
    "pending",
    "cash",
    "machine",
    "abroad",
    "rate",
    "limit",
]


def sentences(rows, seed=0):
    rng = np.random.default_rng(seed)
    return np.array([" ".join(rng.choice(WORDS, 5)) for _ in range(rows)], dtype=object)


def fit_one(values, new=None, seed=0):
    plan = fit_features({"t": values}, {"t": "text"}, seed=seed)
    return plan, plan.transform({"t": values if new is None else new})


def test_similarities_equal_those_of_the_exact_singular_vectors():
    texts = sentences(60)
    _, matrix = fit_one(texts)
    terms = (
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=2)
        .fit_transform(texts)
        .toarray()
    )
    K = matrix.shape[1]
    left, weights, _ = np.linalg.svd(terms, full_matrices=False)
    exact = left[:, :K] * weights[:K]
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    exact -= exact.mean(axis=0)
    exact *= np.sqrt(np.sqrt(K) / exact.var(axis=0).sum())
    np.testing.assert_allclose(matrix @ matrix.T, exact @ exact.T, rtol=0, atol=0.02)


def test_the_variances_add_up_to_the_root_of_the_number_of_features():
    _, matrix = fit_one(sentences(400))
    assert matrix.var(axis=0).sum() == pytest.approx(np.sqrt(matrix.shape[1]), rel=1e-4)


def test_empty_unknown_and_missing_texts_lie_at_one_place_and_missing_is_marked():
    texts = sentences(100)
    texts[3] = None
    plan, new = fit_one(texts, np.array(["", "ẹẹẹ ọọọ", None, "\ud800"], dtype=object))
    assert plan.names[-1] == "t is missing"
    np.testing.assert_array_equal(new[0], new[1])
    np.testing.assert_array_equal(new[0, :-1], new[2, :-1])
    assert new[2, -1] > new[0, -1]


def test_texts_that_have_nothing_in_common_still_differ():
    _, matrix = fit_one(np.array(["abc", "xyz"], dtype=object))
    assert np.ptp(matrix, axis=0).max() > 0


@pytest.mark.parametrize("texts", [["", None, ""], ["same", "same"]])
def test_texts_that_do_not_differ_give_no_feature(texts):
    columns = {"t": np.array(texts, dtype=object), "x": np.arange(float(len(texts)))}
    names = fit_features(columns, {"t": "text", "x": "numeric"}, seed=0).names
    assert not any(name.startswith("t[") for name in names)


def test_two_text_columns_each_have_their_terms():
    columns = {"title": sentences(50, 1), "body": sentences(50, 2)}
    plan = fit_features(columns, {"title": "text", "body": "text"}, seed=0)
    alone = fit_features(columns, {"body": "text"}, seed=0).transform(columns)
    np.testing.assert_array_equal(plan.transform(columns)[:, -alone.shape[1] :], alone)


def test_the_rows_learned_from_are_capped_and_do_not_depend_on_their_order(monkeypatch):
    monkeypatch.setattr(text, "LEARN_ROWS", 40)
    texts = list(sentences(300))
    chosen = text.choose(texts)
    assert len(chosen) == 40
    assert text.choose(texts[::-1]) == chosen


def test_long_texts_are_read_at_their_beginning_and_fewer_of_them_learned_from(monkeypatch):
    assert text.read(np.array(["x" * 5000], dtype=object)) == ["x" * 2000]
    monkeypatch.setattr(text, "LEARN_CHARACTERS", 1000)
    assert len(text.choose(["y" * 100] * 50)) <= 10


def test_the_seed_decides_and_nothing_else():
    texts = sentences(300)
    np.testing.assert_array_equal(fit_one(texts, seed=3)[1], fit_one(texts, seed=3)[1])
