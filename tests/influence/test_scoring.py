"""What every row gets: complete, finite, and meaning what the columns promise."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from culpa.influence import scoring
from culpa.influence.assess import score_rows, train_proxies
from culpa.influence.folds import assign_folds
from culpa.influence.linear import fit_linear
from culpa.influence.proxy import ReferenceInfluence
from culpa.influence.rows import Rows
from culpa.influence.suspicion import calibrate, fit_noise, judge
from culpa.influence.suspicion.calibrate import sharpen
from tests.influence.small_rows import labelled, measured, relabelled, with_copies

COLUMNS = {
    "self_influence",
    "memorization",
    "probability_without",
    "influence",
    "influence_se",
    "influence_p_value",
    "class_influence",
    "relative_influence",
    "classification_influence",
    "loss",
    "suggested",
    "suggested_probability",
    "suspicion",
    "probability_wrong",
    "weight",
}
KINDS = ["classes", "numbers"]


@pytest.fixture(scope="module", params=KINDS)
def rows(request):
    """Rows with wrong labels, and which these are."""
    if request.param == "classes":
        return labelled(300, flipped=0.15)
    rows = measured(300)
    wrong = np.random.default_rng(4).random(300) < 0.1
    return relabelled(rows, wrong, rows.labels[wrong] + 8), wrong


@pytest.fixture(scope="module", params=["linear", "auto"])
def trained(request, rows):
    return train_proxies(rows[0], proxy=request.param, seed=0, rounds=1)


@pytest.fixture(scope="module", params=["trusted", "untrusted"])
def scored(request, rows, trained):
    reference = None if request.param == "untrusted" else trusted(rows[0])
    return reference, score_rows(trained, rows[0], reference=reference)


def trusted(rows):
    return labelled(120, seed=1)[0] if rows.classes else measured(120, seed=1)


def test_every_column_is_there_complete_and_finite(rows, scored):
    numbers = not rows[0].classes
    assert set(scored[1].scores) == COLUMNS
    for name, values in scored[1].scores.items():
        assert len(values) == 300, name
        assert np.isfinite(values).all() or (numbers and name == "suggested_probability"), name


def test_every_column_lies_where_its_meaning_puts_it(rows, scored):
    scores = scored[1].scores
    for name in ("probability_without", "influence_p_value", "probability_wrong"):
        assert ((scores[name] >= 0) & (scores[name] <= 1)).all(), name
    assert (np.abs(scores["memorization"]) <= 1).all()
    assert (scores["self_influence"] >= 0).all()
    assert (scores["influence_se"] >= 0).all()
    if rows[0].classes:
        assert (scores["suggested"] != rows[0].labels).all()


def test_wrong_labels_are_found(rows, scored):
    scores, wrong = scored[1].scores, rows[1]
    assert roc_auc_score(wrong, scores["suspicion"]) > 0.9
    assert roc_auc_score(wrong, scores["probability_wrong"]) > 0.9
    assert roc_auc_score(wrong, -scores["probability_without"]) > 0.9


def test_wrong_labels_harm_reference_rows_on_the_whole(rows, scored):
    scores, wrong = scored[1].scores, rows[1]
    if rows[0].classes:
        assert (scores["influence"][wrong] < 0).mean() > 0.8
        assert scores["influence"][~wrong].mean() > 0 > scores["influence"][wrong].mean()
        assert (scores["classification_influence"][wrong] < 0).mean() > 0.8


def test_p_values_are_one_sided_and_small_for_harm_alone(scored):
    scores = scored[1].scores
    expected = norm.cdf(scores["influence"] / scores["influence_se"])
    np.testing.assert_allclose(scores["influence_p_value"], expected, rtol=0, atol=1e-12)
    assert (scores["influence_p_value"][scores["influence"] > 0] >= 0.5).all()


def test_p_values_without_a_spread_follow_the_sign_and_without_a_known_spread_accuse_nobody():
    mean = np.array([-1.0, 1.0, 0.0, -1.0, 1.0])
    error = np.array([0.0, 0.0, 0.0, np.nan, np.nan])
    found = scoring._p_values(ReferenceInfluence(mean, error, mean[:, None], mean, mean))
    np.testing.assert_array_equal(found, [0.0, 1.0, 1.0, 1.0, 1.0])


def test_derived_columns_are_what_they_are_derived_from(trained, scored):
    scores = scored[1].scores
    relative = scores["influence"] / np.sqrt(scores["self_influence"])
    np.testing.assert_allclose(scores["relative_influence"], relative, rtol=1e-12)
    for name in ("memorization", "probability_without"):
        parts = [columns[name] for columns in scored[1].by_proxy.values()]
        np.testing.assert_allclose(scores[name], np.mean(parts, axis=0), rtol=0, atol=1e-12)
    together = np.mean([columns["probability_with"] for columns in scored[1].by_proxy.values()], axis=0)
    np.testing.assert_allclose(np.exp(-scores["loss"]), together, rtol=1e-9, atol=1e-300)
    assert set(scored[1].by_proxy) == set(trained.fitted)


def test_the_report_says_what_served_as_reference_and_that_folds_are_weak_evidence(trained, scored):
    reference, found = scored
    assert found.report["reference"] == ("folds" if reference is None else "trusted")
    assert found.report["reference_is_weak_evidence"] == (reference is None)
    assert found.report["rows_in_last_training"] == trained.keep.sum()
    assert set(found.report["proxies"]) == set(trained.fitted)


def test_the_report_can_be_written_as_json(scored):
    import json

    assert json.loads(json.dumps(scored[1].report))["reference"] in ("folds", "trusted")


def test_without_trusted_rows_the_odds_are_those_of_the_calibrated_average():
    rows, _ = labelled(300, flipped=0.15)
    trained = train_proxies(rows, proxy="auto", seed=0, rounds=0)
    outcomes = [found.without for found in trained.scores.values()]
    average = np.mean([sharpen(found, calibrate(found, rows.labels).sharpening) for found in outcomes], axis=0)
    judged = judge(average, rows.labels, fit_noise(average, rows.labels))
    scores = score_rows(trained, rows, reference=None).scores
    for name in ("suspicion", "probability_wrong", "suggested_probability"):
        np.testing.assert_allclose(scores[name], getattr(judged, name), rtol=0, atol=1e-9, err_msg=name)
    np.testing.assert_array_equal(scores["suggested"], judged.suggested)


def test_no_row_judges_itself_nor_votes_where_it_was_trained():
    rows = with_copies(labelled(200, flipped=0.1)[0], 9, [0, 1])
    trained = train_proxies(rows, proxy="linear", seed=0, rounds=0)
    found = score_rows(trained, rows, reference=None, folds=4).scores["influence"]
    fold, allowed = assign_folds(rows, 4), ~trained.view.contradicted
    strength = trained.fitted["linear"].strength.l2 * len(rows)
    total, votes = np.zeros(len(rows)), np.zeros(len(rows))
    for number in range(4):
        panel, others = (fold == number) & allowed, fold != number
        fitted = fit_linear(rows, others, l2=strength / others.sum())
        total[others] += panel.sum() * fitted.influence_on(rows.take(panel)).removal[others]
        votes[others] += panel.sum()
    np.testing.assert_allclose(found, total / votes, rtol=0, atol=1e-8)


def test_contradicted_rows_do_not_vote():
    rows, wrong = labelled(300, flipped=0.15)
    trained = train_proxies(rows, proxy="linear", seed=0, rounds=1)
    allowed = scoring.voters(trained, rows)
    assert not allowed[~trained.keep].any()
    assert wrong[allowed].mean() < wrong.mean() / 3


def test_the_same_seed_gives_the_same_scores(rows):
    first, second = (
        score_rows(train_proxies(rows[0], seed=3, rounds=1), rows[0], reference=None).scores for _ in range(2)
    )
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)


def test_permuting_the_rows_permutes_the_scores_of_the_linear_proxy():
    rows, reference = labelled(200, flipped=0.1)[0], labelled(80, seed=1)[0]
    order = np.random.default_rng(0).permutation(200)
    straight, turned = (
        score_rows(train_proxies(some, proxy="linear", seed=0, rounds=1), some, reference=reference).scores
        for some in (rows, rows.take(order))
    )
    for name, values in straight.items():
        np.testing.assert_allclose(turned[name], values[order], rtol=1e-6, atol=1e-8, err_msg=name)


def test_one_trusted_row_accuses_nobody():
    rows, _ = labelled(120, flipped=0.1)
    trained = train_proxies(rows, proxy="linear", seed=0, rounds=0)
    scores = score_rows(trained, rows, reference=labelled(1, seed=1)[0]).scores
    assert (scores["influence_p_value"] == 1).all()


def test_progress_is_told_and_ends_at_one(rows):
    told = []
    trained = train_proxies(rows[0], proxy="linear", seed=0, rounds=1, progress=lambda *one: told.append(one))
    assert told[-1] == ("train", 1.0)
    score_rows(trained, rows[0], reference=None, progress=lambda *one: told.append(one))
    assert told[-1] == ("score", 1.0)
    assert all(0 <= done <= 1 for _, done in told)


def test_rows_nothing_can_be_learnt_from_are_refused_with_what_was_needed():
    few, same = labelled(3)[0], labelled(40)[0]
    with pytest.raises(ValueError, match="3 rows came, needed 4 or more"):
        train_proxies(Rows(few.features, np.array([0, 1, 0]), 2, few.groups), seed=0)
    with pytest.raises(ValueError, match=r"all 40 rows have one label: needed rows of two classes or more"):
        train_proxies(relabelled(same, slice(None), 1), seed=0)
    with pytest.raises(ValueError, match=r"no proxy is called 'trees': choose auto, linear, forest, neighbors"):
        train_proxies(same, proxy="trees", seed=0)


def test_trained_proxies_survive_being_stored(tmp_path, rows):
    import joblib

    trained = train_proxies(rows[0], proxy="linear", seed=0, rounds=1)
    joblib.dump(trained, tmp_path / "trained.joblib")
    again = joblib.load(tmp_path / "trained.joblib")
    straight, stored = (score_rows(one, rows[0], reference=None).scores for one in (trained, again))
    for name, values in straight.items():
        np.testing.assert_array_equal(values, stored[name], err_msg=name)
