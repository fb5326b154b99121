"""Planting again and again: how often, and where the planted rows come to lie."""

import numpy as np
import pytest

from culpa.influence.calibration import plant_and_score
from culpa.influence.calibration.again import depths
from tests.influence.calibration.test_planting import sure
from tests.influence.small_rows import labelled


def again(rows, score, heard=None):
    tell = (lambda *said: None) if heard is None else (lambda *said: heard.append(said))
    return plant_and_score(rows, sure(rows), np.zeros(len(rows)), score, seed=0, tell=tell)


def scored_by_the_truth(rows):
    """A scorer that knows which labels were changed."""
    return lambda planted: {"suspicion": (planted.labels != rows.labels).astype(float)}


def test_planted_rows_that_are_found_first_lie_at_depth_nought():
    rows = labelled(600)[0]
    for one in again(rows, scored_by_the_truth(rows)):
        assert not one.depths.any()


def test_planted_rows_lie_anywhere_for_a_scorer_that_knows_nothing():
    rows = labelled(1000)[0]
    chance = np.random.default_rng(0)
    found = again(rows, lambda planted: {"suspicion": chance.random(len(planted))})
    assert np.concatenate([one.depths for one in found]).mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("count", "repeats"), [(240, 3), (1000, 2), (2400, 1)])
def test_it_is_repeated_until_a_hundred_labels_were_planted_but_thrice_at_most(count, repeats):
    rows, heard = labelled(count)[0], []
    found = again(rows, scored_by_the_truth(rows), heard)
    assert len(found) == len(heard) == repeats
    places = [set(one.planting.place.tolist()) for one in found]
    assert all(one != places[0] for one in places[1:])


def test_depth_is_the_share_of_the_other_rows_at_least_as_suspicious():
    suspicion = np.random.default_rng(0).integers(0, 20, 100).astype(float)
    place = np.arange(10)
    expected = [(suspicion[10:] >= suspicion[one]).mean() for one in place]
    assert depths(suspicion, place) == pytest.approx(expected)
