"""The gate lets through what really helps, stops where it stops helping, and refuses what harms."""

from dataclasses import dataclass

import numpy as np
import pytest

from culpa.influence.gate import judge_of, prove, small_to_large
from culpa.influence.gate.verdict import ALL, RANDOM
from culpa.influence.linear import fit_linear
from tests.influence.gate.small_trials import digits, trial


@pytest.fixture(scope="module")
def case():
    return digits()


@pytest.fixture(scope="module")
def judge(case):
    return judge_of("linear", before=fit_linear(case.rows))


def proof(trials, judge, gate="not-worse", removals=75):
    return prove(trials, judge, gate=gate, margin=0.01, removals=removals, seeds=3, seed=0)


def test_dropping_the_wrong_rows_is_better_and_all_of_them_go(case, judge):
    found = proof([trial(case, case.wrong)], judge, gate="better")
    assert found.verdict.passed
    assert found.verdict.verdict == "better"
    assert found.share == 1.0
    assert found.effects[ALL][0].low > 0
    assert found.effects[RANDOM][0].low > 0


def test_dropping_right_rows_at_random_drops_nothing(case, judge):
    found = proof([trial(case, case.right[:15])], judge)
    assert found.verdict.passed
    assert found.verdict.verdict == "nothing to drop"
    assert found.share == 0.0


def test_a_rule_that_drops_what_the_model_needs_is_refused(case, judge):
    """All rows of three digits but a few: the choosing rows let none go, the judging ones say how bad it would be."""
    needed = np.concatenate([np.flatnonzero(case.rows.labels == digit)[5:] for digit in (1, 4, 7)])
    found = proof([trial(case, needed)], judge, removals=len(needed))
    assert not found.verdict.passed
    assert found.verdict.verdict == "worse"
    assert found.share == 0.0
    assert found.effects[ALL][0].high < 0


def test_the_stopping_point_leaves_out_the_rows_that_do_not_help(case, judge):
    order = np.concatenate([case.wrong, case.right[:75]])  # wrong rows first: half way there is nothing left to gain
    found = proof([trial(case, order)], judge, removals=150)
    assert found.share == 0.5


@dataclass(frozen=True)
class Flattered:
    """A judge that is right of the choosing rows and wrong of the judging ones once rows are gone."""

    choosing: int
    rows: int
    name = "flattered"

    def outcomes(self, rows, keep, reference, *, seed):
        fewer = keep.sum() < 0.88 * self.rows
        right = np.full(len(reference), 0.6)
        right[: self.choosing] += 0.2 * fewer
        right[self.choosing :] -= 0.2 * fewer
        answers = np.repeat(((1 - right) / (rows.classes - 1))[:, None], rows.classes, axis=1)
        answers[np.arange(len(reference)), reference.labels] = right
        return answers


def test_what_helps_the_choosing_rows_alone_is_refused_by_the_judging_ones(case):
    one = trial(case, case.right[:75])
    found = proof([one], Flattered(len(one.choosing), len(case.rows)))
    assert found.stop > 0
    assert found.verdict.verdict == "worse"
    assert not found.verdict.passed
    assert found.share == 0.0
    assert "nothing is dropped but what people decided" in found.verdict.reason


def test_peoples_relabels_take_part(case, judge):
    """With every wrong label mended by people the cleaned model beats that of all rows, and the rule adds nothing."""
    mended = proof([trial(case, case.right[:20], labels=case.truth)], judge)
    assert mended.share == 0.0
    assert mended.cleaned.loss[0] < proof([trial(case, case.right[:20])], judge).cleaned.loss[0]


def test_judges_that_lie_among_the_rows_teach_nobody(case):
    seen = []

    class Watching:
        name = "watching"

        def outcomes(self, rows, keep, reference, *, seed):
            seen.append(keep)
            return np.full((len(reference), rows.classes), 1 / rows.classes)

    absent = np.zeros(len(case.rows), bool)
    absent[:50] = True
    proof([trial(case, case.wrong[case.wrong >= 50], absent=absent)], Watching())
    assert not np.any([keep[:50] for keep in seen])


def test_two_trials_are_judged_together(case, judge):
    one = trial(case, case.wrong)
    both = proof([one, one], judge)
    assert both.effects[ALL][0].effect == pytest.approx(proof([one], judge).effects[ALL][0].effect)
    assert both.effects[ALL][0].high < proof([one], judge).effects[ALL][0].high  # twice as many rows


def test_doubted_judges_do_not_count_and_are_shown_beside(case, judge):
    one = trial(case, case.wrong)
    labels, doubted = one.judging.labels.copy(), np.zeros(len(one.judging), bool)
    doubted[:30] = True
    labels[:30] = (labels[:30] + 1) % 10
    noisy = trial(
        case,
        case.wrong,
        judging=type(one.judging)(one.judging.features, labels, 10, one.judging.groups),
        doubted=doubted,
    )
    found = proof([noisy], judge)
    assert found.verdict.verdict == "better"
    assert found.effects[ALL][1].first > found.blurred[ALL][1].first + 0.1  # wrong labels blur the accuracy of all
    assert "nobody vouches for" in found.verdict.reason
    assert "30 more are contradicted" in found.verdict.reason


def test_too_few_judges_are_refused(case, judge):
    one = trial(case, case.wrong)
    with pytest.raises(ValueError, match="5 rows judge, needed 10 or more of each"):
        proof([trial(case, case.wrong, judging=one.judging.take(np.arange(5)))], judge)


def test_flags_of_a_small_model_help_another_one(case):
    other = judge_of("sklearn.ensemble:RandomForestClassifier")
    found = small_to_large([trial(case, case.wrong)], other, 1.0, seeds=2, seed=0)
    assert found[ALL][0].low > 0


def test_the_same_seed_gives_the_same_proof(case, judge):
    one, other = (proof([trial(case, case.wrong)], judge) for _ in range(2))
    assert one.verdict == other.verdict
    assert one.effects == other.effects
