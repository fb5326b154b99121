"""The cheaper curvatures: exact where the Hessian has their form, measured where it has not, chosen by memory."""

import tracemalloc

import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.stats import spearmanr

from culpa.influence.linear import choose, fit_linear
from culpa.influence.linear.choose import agreement, curvature_form, fit_curvature
from culpa.influence.linear.diagonal import fit_class_blocks, fit_kronecker
from culpa.influence.linear.exact import fit_exact
from culpa.influence.linear.heads import head_for
from culpa.influence.linear.problem import Problem, penalties
from culpa.influence.rows import Rows
from tests.influence.linear import dense
from tests.influence.small_rows import labelled, measured

L2 = 0.02
FORMS = {"exact": 2.0**30, "class blocks": 14_000.0, "kronecker": 1.0}  # bytes that lead to each, for the rows below


def centred(rows):
    return Rows(rows.features - rows.features.mean(axis=0), rows.labels, rows.classes, rows.groups)


def blocky():
    """Five classes, twelve features: an exact Hessian of 65 x 65."""
    return labelled(200, 5, features=12, flipped=0.1)[0]


def problem_of(rows):
    return Problem(rows.features, rows.labels, head_for(rows.classes), penalties(rows.features.shape[1], L2))


def block_influence(rows, weights, reference):
    """All pairs with the terms between classes left out of the Hessian: (rows, reference rows)."""
    whole = dense.dense_hessian(rows, weights, len(rows) * L2)
    width = weights.shape[1]
    parts = [whole[start : start + width, start : start + width] for start in range(0, len(whole), width)]
    solved = np.linalg.solve(block_diag(*parts), dense.gradients(reference, weights).T)
    return dense.gradients(rows, weights) @ solved


def test_class_blocks_equal_the_dense_hessian_without_terms_between_classes():
    rows, reference = blocky(), labelled(60, 5, features=12, seed=1)[0]
    fitted = fit_linear(rows, l2=L2, memory=FORMS["class blocks"])
    assert fitted.report()["curvature"] == "class blocks"
    own = np.diagonal(block_influence(rows, fitted.weights, rows))
    np.testing.assert_allclose(fitted.scores().self_influence, own, rtol=0, atol=1e-11)
    pairs = block_influence(rows, fitted.weights, reference)
    found = fitted.influence_on(reference)
    np.testing.assert_allclose(fitted.influence_between(np.arange(200), reference), pairs, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.mean, pairs.mean(axis=1), rtol=0, atol=1e-11)
    for label in range(5):
        some = reference.labels == label
        np.testing.assert_allclose(found.by_class[:, label], pairs[:, some].mean(axis=1), rtol=0, atol=1e-11)


def test_class_blocks_are_exact_for_numbers():
    problem = problem_of(measured(150))
    weights = np.ones((1, 5))
    np.testing.assert_allclose(
        fit_class_blocks(problem, weights).inverses[0], fit_exact(problem, weights).inverse, rtol=0, atol=1e-14
    )


def test_kronecker_is_exact_for_numbers_with_centred_features():
    problem = problem_of(centred(measured(150)))
    vectors = np.eye(5)[:, None, :]
    found = fit_kronecker(problem, np.ones((1, 5))).solve(vectors)
    np.testing.assert_allclose(found, fit_exact(problem, np.ones((1, 5))).solve(vectors), rtol=0, atol=1e-14)


def test_kronecker_equals_class_blocks_where_all_rows_curve_alike():
    problem = problem_of(centred(blocky()))
    flat = np.zeros((5, 13))  # every row's probabilities are even
    gradients = np.random.default_rng(0).standard_normal((7, 5, 13))
    expected = fit_class_blocks(problem, flat).solve(gradients)
    np.testing.assert_allclose(fit_kronecker(problem, flat).solve(gradients), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_one_symmetric_positive_matrix_whichever_way_it_is_asked(form):
    rows = blocky()
    fitted = fit_linear(rows, l2=L2, memory=FORMS[form])
    assert fitted.curvature.form == form
    whole = fitted.curvature.solve(np.eye(65).reshape(65, 5, 13)).reshape(65, 65)
    np.testing.assert_allclose(whole, whole.T, rtol=0, atol=1e-13)
    assert np.linalg.eigvalsh(whole).min() > 0
    gradients = dense.gradients(rows, fitted.weights)
    own = np.einsum("ma,ab,mb->m", gradients, whole, gradients)
    np.testing.assert_allclose(fitted.scores().self_influence, own, rtol=0, atol=1e-11)
    reference = labelled(60, 5, features=12, seed=1)[0]
    pairs = gradients @ whole @ dense.gradients(reference, fitted.weights).T
    np.testing.assert_allclose(fitted.influence_on(reference).mean, pairs.mean(axis=1), rtol=0, atol=1e-11)


@pytest.mark.parametrize("form", ["class blocks", "kronecker"])
def test_cheaper_forms_order_the_rows_nearly_as_the_exact_one_does(form):
    rows, reference = blocky(), labelled(60, 5, features=12, seed=1)[0]
    exact, cheap = (fit_linear(rows, l2=L2, memory=FORMS[name]) for name in ("exact", form))
    pairs = (
        (exact.scores().self_influence, cheap.scores().self_influence),
        (exact.scores().own_without, cheap.scores().own_without),
        (exact.influence_on(reference).mean, cheap.influence_on(reference).mean),
    )
    for found in pairs:
        assert spearmanr(*found).statistic > 0.8


@pytest.mark.parametrize("form", ["class blocks", "kronecker"])
def test_the_reported_agreement_is_the_rank_correlation_with_the_exact_form(form, monkeypatch):
    rows = blocky()
    fitted = fit_linear(rows, l2=L2, memory=FORMS[form])
    exact = fit_linear(rows, l2=L2).scores().self_influence
    sample = np.linspace(0, 199, choose.AGREEMENT_ROWS).astype(int)
    found = fitted.report()["curvature_agreement"]
    assert found == pytest.approx(spearmanr(exact[sample], fitted.scores().self_influence[sample]).statistic, abs=1e-9)
    monkeypatch.setattr(choose, "AGREEMENT_ROWS", 200)
    everywhere = agreement(fitted.rows, fitted.weights, fitted.curvature)
    assert everywhere == pytest.approx(spearmanr(exact, fitted.scores().self_influence).statistic, abs=1e-6)


def test_the_agreement_is_that_of_the_kept_rows():
    rows, keep = blocky(), np.arange(200) < 150
    part = rows.take(keep)
    found, expected = (fit_linear(*given, l2=L2, memory=1.0) for given in ((rows, keep), (part,)))
    assert found.report()["curvature_agreement"] == pytest.approx(expected.report()["curvature_agreement"], abs=1e-9)


def test_batches_of_reference_rows_estimate_the_standard_error_of_the_cheap_forms():
    rows, reference = blocky(), labelled(3_000, 5, features=12, seed=1)[0]
    fitted = fit_linear(rows, l2=L2, memory=FORMS["class blocks"])
    pairs = fitted.influence_between(np.arange(200), reference)
    found = fitted.influence_on(reference).standard_error
    exact = pairs.std(axis=1, ddof=1) / np.sqrt(3_000)
    assert np.median(found / exact) == pytest.approx(1, abs=0.1)
    assert spearmanr(found, exact).statistic > 0.95


def test_the_rule_takes_the_most_exact_form_that_fits():
    exact, blocks = 5 * 8 * (10 * 51) ** 2, 2 * 8 * 10 * 51**2
    assert curvature_form(10, 51, exact) == "exact"
    assert curvature_form(10, 51, exact - 1) == "class blocks"
    assert curvature_form(10, 51, blocks) == "class blocks"
    assert curvature_form(10, 51, blocks - 1) == "kronecker"


@pytest.mark.parametrize("form", ["exact", "class blocks"])
def test_the_memory_promised_is_the_memory_taken(form, monkeypatch):
    monkeypatch.setattr("culpa.influence.linear.products.BLOCK_ENTRIES", 1)
    rows = labelled(400, 12, features=80)[0]
    reference = labelled(100, 12, features=80, seed=1)[0]
    promised = 5 * 8 * (12 * 81) ** 2 if form == "exact" else 2 * 8 * 12 * 81**2
    assert curvature_form(12, 81, promised) == form
    problem, weights = problem_of(rows), np.zeros((12, 81))
    peak = peak_of(lambda: fit_curvature(problem, weights, promised))
    assert 0.4 * promised < peak < 1.2 * promised + 2e6
    fitted = fit_linear(rows, l2=L2, memory=promised)
    held = promised / (5 if form == "exact" else 2)
    assert held + peak_of(lambda: fitted.influence_on(reference)) < 1.2 * promised + 4e6


def peak_of(work):
    """Bytes at the most, over what there was before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_singular_hessian_names_cause_and_cure():
    with pytest.raises(ValueError, match=r"not positive definite.*raise l2, or drop constant"):
        choose.fit_exact(problem_with(-1.0), np.zeros((3, 5)))


def problem_with(penalty):
    rows = labelled(50)[0]
    return Problem(rows.features, rows.labels, head_for(3), np.full(5, penalty))
