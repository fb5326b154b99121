"""Alarms must ring for what was planted, say what it is, and hardly ever without it."""

import numpy as np
import pytest

from culpa.influence.drift import FEWEST, Seen, Usual, find_drifts, usual_of

CLASSES = 4


def rows(count, seed, *, wrong=0.05, pair=None, shift=0.0):
    """What a calibrated model would say of rows whose labels are wrong at a rate, or one class taken for another."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, CLASSES, count)
    given = truth.copy()
    flipped = generator.random(count) < wrong
    given[flipped] = (given[flipped] + generator.integers(1, CLASSES, flipped.sum())) % CLASSES
    if pair is not None:
        turned = (truth == pair[1]) & (generator.random(count) < 0.3)
        given[turned] = pair[0]
    contradicted = given != truth
    margin = np.where(contradicted, 4.0, -5.0) + generator.normal(size=count) * 2 + shift
    return Seen(margin, np.where(contradicted, 0.95, 0.02), given, np.where(contradicted, truth, (given + 1) % CLASSES))


@pytest.fixture(scope="module")
def usual():
    return usual_of(rows(20_000, 0), CLASSES)


def test_batches_like_the_data_set_hardly_ever_raise_an_alarm(usual):
    alarms = [bool(find_drifts(usual, rows(size, 1 + seed))) for size in (50, 400, 5_000) for seed in range(150)]
    assert sum(alarms) <= 2


def test_a_confusion_of_two_classes_is_named(usual):
    found = find_drifts(usual, rows(400, 3, pair=(2, 0)))
    confusions = [one for one in found if one.pair is not None]
    assert [one.pair for one in confusions] == [(2, 0)]
    assert confusions[0].found > 5 * confusions[0].expected
    assert confusions[0].rows < 400


def test_more_wrong_labels_of_all_kinds_are_told_as_such(usual):
    found = {one.what: one for one in find_drifts(usual, rows(400, 4, wrong=0.2))}
    assert found["wrong labels"].expected == pytest.approx(0.05, abs=0.01)
    assert found["wrong labels"].found == pytest.approx(0.2, abs=0.05)


def test_labels_that_fit_otherwise_without_being_contradicted_move_the_margin(usual):
    (found,) = find_drifts(usual, rows(400, 5, shift=1.5))
    assert found.what == "margin"
    assert found.found - found.expected == pytest.approx(1.5, abs=0.5)


def test_the_distance_of_the_distributions_is_that_of_two_samples(usual):
    from scipy.stats import ks_2samp

    first, batch = rows(20_000, 0), rows(400, 5, shift=1.5)
    (found,) = find_drifts(usual, batch)
    oracle = ks_2samp(first.margin, batch.margin, method="asymp")
    assert found.statistic == pytest.approx(oracle.statistic, abs=2e-3)
    assert np.log(found.p_value) == pytest.approx(np.log(oracle.pvalue), rel=0.05)


def test_an_effect_too_small_to_matter_is_not_told_however_many_rows_show_it(usual):
    assert not find_drifts(usual, rows(20_000, 6, shift=0.15))


def test_nothing_is_said_of_a_handful_of_rows(usual):
    assert not find_drifts(usual, rows(FEWEST - 1, 7, wrong=0.9))


def test_numbers_to_predict_have_margins_and_wrong_labels_but_no_confusions():
    generator = np.random.default_rng(0)

    def targets(count, scale):
        residual = np.abs(generator.normal(size=count)) * scale
        return Seen(residual, (residual > 4).astype(float), generator.normal(size=count), np.zeros(count))

    usual = usual_of(targets(5_000, 1.0), 0)
    assert {one.what for one in find_drifts(usual, targets(500, 3.0))} == {"margin", "wrong labels"}


def test_what_is_usual_comes_back_from_its_arrays(usual):
    again, batch = Usual.of(usual.arrays()), rows(400, 3, pair=(2, 0))
    assert find_drifts(again, batch) == find_drifts(usual, batch)
