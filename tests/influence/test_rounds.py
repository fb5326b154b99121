"""Rounds of removal: kept where they explain the labels better, refused where not, never too much of a class."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from culpa.influence import rounds
from culpa.influence.assess import train_proxies
from culpa.influence.caps import MOST_OF_A_CLASS
from culpa.influence.ensemble import look
from culpa.influence.linear import fit_linear
from culpa.influence.rounds import State, run_rounds
from culpa.influence.rows import Rows
from tests.influence.linear.retraining import digits
from tests.influence.small_rows import labelled, measured
from tests.influence.vague_rows import vague


def pairwise_digits(share=0.25):
    """Digits of which a share is called the next digit."""
    rows, _ = digits(800, 0.0, seed=0)
    wrong = np.random.default_rng(1).random(800) < share
    return Rows(rows.features, np.where(wrong, (rows.labels + 1) % 10, rows.labels), 10, rows.groups), wrong


def refit(names, rows, keep, before):
    return {"linear": fit_linear(rows, keep, l2=10 / keep.sum())}


def state_of(rows, keep=None):
    fitted = refit((), rows, np.ones(len(rows), np.bool_) if keep is None else keep, None)
    return State(np.ones(len(rows), np.bool_), fitted, look({"linear": fitted["linear"].scores().without}, rows))


@pytest.fixture(scope="module")
def pairwise():
    """Which rows are wrong, trained without a round and with one."""
    rows, wrong = pairwise_digits()
    return wrong, *(train_proxies(rows, proxy="linear", seed=0, rounds=number) for number in (0, 1))


def test_a_round_that_explains_the_labels_better_is_kept_and_finds_more_wrong_ones(pairwise):
    wrong, before, after = pairwise
    (record,) = after.rounds
    assert record["accepted"]
    assert record["gain_in_standard_errors"] >= rounds.PAYS
    assert record["log_likelihood_after"] > record["log_likelihood_before"]
    found = [average_precision_score(wrong, trained.view.suspicion) for trained in (before, after)]
    assert found[1] > found[0] + 0.02
    np.testing.assert_array_equal(np.flatnonzero(~after.keep), record["rows"])
    assert record["removed"] == len(record["rows"])
    assert wrong[~after.keep].mean() > 3 * wrong[after.keep].mean()


def test_a_round_that_would_throw_out_half_of_a_clean_but_vague_set_is_refused():
    rows, _ = vague(3_000)
    trained = train_proxies(rows, proxy="linear", seed=0, rounds=3)
    assert trained.view.contradicted.mean() > 0.5
    assert [record["accepted"] for record in trained.rounds] == [False]
    assert trained.keep.all()
    assert trained.rounds[0]["rows"] == []


def test_memorization_stays_that_of_the_training_with_all_rows(pairwise):
    _, none, one = pairwise
    for column, values in vars(none.scores["linear"]).items():
        np.testing.assert_array_equal(values, getattr(one.scores["linear"], column), err_msg=column)


def test_removed_rows_are_judged_again_and_may_come_back():
    rows, _ = pairwise_digits()
    state, records = run_rounds(rows, state_of(rows), refit, 3)
    assert len(records) > 1
    assert np.isfinite(state.view.suspicion).all()
    first = set(records[0]["rows"])
    assert first
    assert len(first - set(np.flatnonzero(~state.keep))) > 0


def test_no_round_asked_for_is_no_round():
    rows, _ = labelled(120, flipped=0.2)
    start = state_of(rows)
    state, records = run_rounds(rows, start, refit, 0)
    assert state is start
    assert records == []


def test_no_more_of_any_class_is_removed_than_the_cap():
    rows, _ = labelled(300)
    score = np.where(rows.labels == 1, 10.0, 0.0) + np.linspace(0, 1, 300)
    sizes = np.bincount(rows.labels)
    removed = rounds._most(rows, score, sizes[1])
    assert removed.sum() == int(MOST_OF_A_CLASS * sizes[1])
    assert (rows.labels[removed] == 1).all()
    kept = (rows.labels == 1) & ~removed
    assert score[removed].min() > score[kept].max()  # the most suspicious go


def test_two_rows_of_every_class_stay():
    labels = np.repeat([0, 1, 2], [50, 3, 2])
    rows = Rows(np.zeros((55, 1)), labels, 3, np.arange(55))
    removed = rounds._most(rows, np.where(labels > 0, 1.0, 0.0), 5)
    assert removed[labels == 1].sum() == 1
    assert removed[labels == 2].sum() == 0


def test_the_caps_hold_in_a_real_round():
    rows, _ = vague(400, wrong=0.3)
    trained = train_proxies(rows, proxy="linear", seed=0, rounds=3)
    for record in trained.rounds:
        gone = np.bincount(rows.labels[np.asarray(record["rows"], np.intp)], minlength=8)
        assert (gone <= MOST_OF_A_CLASS * np.bincount(rows.labels)).all()


def test_rows_with_numbers_are_removed_in_rounds_too():
    rows = measured(400)
    wrong = np.arange(400) % 10 == 0
    off = Rows(rows.features, rows.labels + np.where(wrong, 40.0, 0.0), 0, rows.groups)
    trained = train_proxies(off, proxy="linear", seed=0, rounds=1)
    assert trained.rounds[0]["accepted"]
    assert wrong[trained.rounds[0]["rows"]].mean() > 0.8
    assert average_precision_score(wrong, trained.view.suspicion) > 0.99


def test_the_gain_is_the_paired_difference_in_its_standard_errors():
    rows, _ = labelled(200, flipped=0.2)
    before = state_of(rows).view
    gains = np.random.default_rng(0).standard_normal(200) + 0.3
    after = replace(before, log_likelihoods=before.log_likelihoods + gains)
    errors = gains.mean() / (gains.std(ddof=1) / np.sqrt(200))
    assert rounds._gain(before, after) == pytest.approx((gains.mean(), errors))
    assert rounds._gain(before, before) == (0.0, 0.0)


def test_with_many_rows_a_removal_is_tried_on_a_sample_first(monkeypatch):
    monkeypatch.setattr(rounds, "TRIAL_ROWS", 199)
    rows, wrong = pairwise_digits()
    sizes = []
    state, records = run_rounds(rows, state_of(rows), partial(_counted, sizes), 3)
    tried = [record for record in records if "tried_on" in record]
    done = [record for record in records if "tried_on" not in record]
    paid = [record["proposal"] for record in tried if record["accepted"]]
    assert paid
    assert sizes[: -len(done)] == [200] * (len(sizes) - len(done))
    assert sizes[-len(done) :] == [800] * len(done)
    assert [record["proposal"] for record in done] == paid[: len(done)]
    assert all(record["rows"] == [] and record["tried_on"] == 200 for record in tried)
    assert wrong[~state.keep].mean() > 3 * wrong.mean() / 2
    assert len(state.view.suspicion) == len(wrong)


def test_a_trial_that_does_not_pay_costs_no_fit_of_all_rows(monkeypatch):
    monkeypatch.setattr(rounds, "TRIAL_ROWS", 300)
    rows, _ = vague(1_500)
    monkeypatch.setattr(rounds, "PAYS", 1e9)
    sizes = []
    run_rounds(rows, state_of(rows), partial(_counted, sizes), 3)
    assert set(sizes) == {300}


def _counted(sizes, names, some, keep, before):
    sizes.append(len(some))
    return refit(names, some, keep, before)


def test_labels_drawn_by_lot_lose_no_row():
    """Rows that agree with each other by chance gain a little likelihood when the others go; it is not enough."""
    chance = np.random.default_rng(0)
    rows = Rows(chance.standard_normal((3_000, 6)), chance.integers(0, 3, 3_000), 3, np.arange(3_000))
    trained = train_proxies(rows, proxy="auto", seed=0)
    assert trained.rounds == []
    assert trained.keep.all()


def test_a_proxy_whose_word_does_not_count_is_not_fitted_again():
    rows, _ = pairwise_digits()
    start = state_of(rows)
    blind = np.full((len(rows), 10), 0.1)
    view = look({**start.view.outcomes, "blind": blind}, rows)
    assert view.weights["blind"] < rounds.LEAST_WEIGHT
    assert np.isnan(view.report["agreement"]["linear~blind"])
    asked = []

    def fit(names, some, keep, before):
        asked.append(names)
        return refit(names, some, keep, before)

    fitted = {**start.fitted, "blind": None}
    state, records = run_rounds(rows, State(start.keep, fitted, view), fit, 1)
    assert records[0]["accepted"]
    assert set(asked) == {("linear",)}
    np.testing.assert_array_equal(state.view.outcomes["blind"], blind)
