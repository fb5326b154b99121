"""What subset models say of every row, against means taken by hand, other seeds, and the exact curvature."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from culpa.influence.estimators import fit_estimator
from tests.influence.small_rows import labelled, measured, with_copies


def losses(model, rows):
    found = model.outcomes(rows.features)
    if rows.classes:
        return -np.log(found[np.arange(len(rows)), rows.labels])
    return (found[:, 0] - rows.labels) ** 2 / 2


@pytest.fixture(params=["classes", "numbers"])
def case(request):
    """Rows with duplicates and some not kept, reference rows, and the fitted proxy."""
    rows, reference = (labelled(60)[0], labelled(9, seed=1)[0]) if request.param == "classes" else (
        measured(60), measured(9, seed=1)
    )  # fmt: skip
    rows = with_copies(rows, 7, [rows.labels[7], rows.labels[3]])
    keep = np.arange(len(rows)) % 6 > 0
    factory = DecisionTreeClassifier if rows.classes else lambda: Ridge(alpha=0.5)
    return rows, keep, reference, fit_estimator(factory, rows, keep, seed=0, models=20)


def panel_of(fitted, row):
    """The panel that judges a row, and which of its models saw it."""
    (panel,) = [panel for panel in fitted.judge.panels.every if row in panel.judged]
    return panel.models, panel.saw[:, np.flatnonzero(panel.judged == row)[0]]


def test_scores_are_means_over_the_models_that_saw_a_row_and_those_that_did_not(case):
    rows, _, _, fitted = case
    scores = fitted.scores()
    first = fitted.judge.panels.every[0].models
    for row in range(len(rows)):
        mine = rows.take(np.array([row]))
        outcomes = np.stack([model.outcomes(mine.features)[0] for model in first])
        out = ~fitted.judge.panels.saw_group[:, row]
        np.testing.assert_allclose(scores.without[row], outcomes[out].mean(axis=0), rtol=0, atol=1e-12)
        models, saw = panel_of(fitted, row)
        own = np.array([model.outcomes(mine.features)[0, mine.labels[0] if rows.classes else 0] for model in models])
        assert scores.own_with[row] == pytest.approx(own[saw].mean(), abs=1e-12)
        assert scores.own_without[row] == pytest.approx(own[~saw].mean(), abs=1e-12)
        loss = np.array([losses(model, mine)[0] for model in models])
        expected = max(loss[~saw].mean() - loss[saw].mean(), 0)
        assert scores.self_influence[row] == pytest.approx(expected, abs=1e-12)


def test_influence_is_the_loss_without_a_row_less_that_with_it(case):
    rows, _, reference, fitted = case
    pairs = fitted.influence_between(np.arange(len(rows)), reference)
    found = fitted.influence_on(reference)
    for row in range(len(rows)):
        models, saw = panel_of(fitted, row)
        lost = np.stack([losses(model, reference) for model in models])
        np.testing.assert_allclose(pairs[row], lost[~saw].mean(axis=0) - lost[saw].mean(axis=0), rtol=0, atol=1e-12)
        if rows.classes:
            p = np.exp(-lost).mean(axis=1)
            assert found.on_probability[row] == pytest.approx(p[saw].mean() - p[~saw].mean(), abs=1e-12)
    np.testing.assert_allclose(found.removal, pairs.mean(axis=1), rtol=0, atol=1e-12)
    some = np.array([7, 61, 0, 7])
    np.testing.assert_array_equal(fitted.influence_between(some, reference), pairs[some])


def test_blocks_of_rows_change_nothing(case, monkeypatch):
    _, _, reference, fitted = case
    scores, influence = fitted.scores(), fitted.influence_on(reference)
    monkeypatch.setattr("culpa.influence.estimators.by_subsets.BLOCK_ENTRIES", 200)
    again, anew = fitted.scores(), fitted.influence_on(reference)
    for one, other in ((scores, again), (influence, anew)):
        for name, values in vars(one).items():
            np.testing.assert_allclose(getattr(other, name), values, rtol=0, atol=1e-12, err_msg=name)


def test_duplicates_of_a_row_are_in_where_it_alone_is_out():
    """So a wrong label whose duplicates bear it too is not memorized: the model does not need the row itself."""
    rows = labelled(60)[0]
    wrong = (rows.labels[7] + 1) % 3
    rows = with_copies(rows, 7, [wrong] * 4)
    scores = fit_estimator(lambda: KNeighborsClassifier(3), rows, seed=0, models=20).scores()
    assert scores.own_without[60:].min() > 0.6
    assert scores.without[60:, wrong].max() < 0.1


def test_rows_that_are_not_kept_get_what_joining_really_does():
    rows, wrong = labelled(120, flipped=0.1)
    keep, reference = ~wrong & (np.arange(120) % 8 > 0), labelled(150, seed=5)[0]
    fitted = fit_estimator(KNeighborsClassifier, rows, keep, seed=0, models=200)
    before = mean_loss(rows, keep, reference)
    truth = [before - mean_loss(rows, keep | (np.arange(120) == row), reference) for row in np.flatnonzero(~keep)]
    mean = fitted.influence_on(reference).mean
    assert pearsonr(mean[~keep], truth).statistic > 0.9
    assert mean[wrong].mean() < 0 < mean[~keep & ~wrong].mean()
    scores = fitted.scores()
    assert (scores.own_with > scores.own_without)[wrong].all()


def mean_loss(rows, keep, reference):
    """Of a training on the kept rows, with the same doubt."""
    estimator = KNeighborsClassifier().fit(rows.features[keep], rows.labels[keep])
    p = estimator.predict_proba(reference.features)[np.arange(len(reference)), reference.labels]
    return -np.log((keep.sum() * p + 1 / 3) / (keep.sum() + 1)).mean()


def test_the_standard_error_is_how_far_other_models_would_move_the_mean():
    rows, reference = labelled(60, flipped=0.1)[0], labelled(500, seed=1)[0]  # many: their spread is next to nought
    fits = [fit_estimator(GaussianNB, rows, seed=seed, models=30).influence_on(reference) for seed in range(25)]
    spread = np.var([one.mean for one in fits], axis=0, ddof=1)
    told = np.mean([one.standard_error**2 for one in fits], axis=0)
    assert np.sqrt(told.mean() / spread.mean()) == pytest.approx(1, abs=0.1)


def test_half_of_the_models_tell_of_memorization_what_the_other_half_does():
    rows, _ = labelled(150, flipped=0.15)
    one, other = (
        fit_estimator(lambda: KNeighborsClassifier(3), rows, seed=seed, models=100).scores() for seed in (0, 1)
    )
    assert spearmanr(one.own_with - one.own_without, other.own_with - other.own_without).statistic > 0.8


def test_many_models_tell_what_the_exact_curvature_does():
    rows = labelled(80, flipped=0.1)[0]

    def factory():
        return LogisticRegression(C=0.5)

    exact = fit_estimator(factory, rows, seed=0)
    many = fit_estimator(factory, rows, seed=0, models=100)
    assert exact.report()["judged_by"] == "exact curvature"
    assert many.report()["judged_by"] == "subset models"
    assert pearsonr(exact.scores().self_influence, many.scores().self_influence).statistic > 0.95
    assert pearsonr(exact.scores().without.ravel(), many.scores().without.ravel()).statistic > 0.99
    reference = rows.take(np.arange(12))
    pairs = [fitted.influence_between(np.arange(12), reference).ravel() for fitted in (exact, many)]
    assert pearsonr(*pairs).statistic > 0.9


def test_the_report_tells_how_many_models_of_how_many_rows_there_are(case):
    rows, keep, _, fitted = case
    told = fitted.report()
    assert told["models"] == 20
    assert told["models_trained"] == 50  # ten that leave out duplicates, twenty that rows join which are not kept
    assert told["models_not_worth_training"] == 0
    assert told["rows_per_model"] == pytest.approx(0.7 * keep.sum(), abs=1.5)
    assert told["models_without_a_row"] >= 5
    assert told["estimator"] == ("DecisionTreeClassifier()" if rows.classes else "Ridge(alpha=0.5)")
