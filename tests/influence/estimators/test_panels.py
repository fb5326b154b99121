"""Who is trained on what: every row is in and out often enough, duplicates go together, and nobody looks at labels."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from culpa.influence.estimators import learning
from culpa.influence.estimators.panels import draw_panels, usual_models
from culpa.influence.subsets import effects
from tests.influence.small_rows import labelled, relabelled, with_copies


class Remembering(DummyClassifier):
    """Remembers what it was trained on."""

    def fit(self, features, labels):
        self.seen = {tuple(row) for row in features}
        self.rows = len(labels)
        return super().fit(features, labels)


def drawn(rows, keep=None, models=20, seed=0):
    keep = np.ones(len(rows), np.bool_) if keep is None else keep
    return draw_panels(lambda _: Remembering(), rows, keep, models=models, seed=seed)


def knows(panel, rows):
    """Which models really were trained with a row of these features: (models, rows)."""
    return np.array([[tuple(row) in model.estimator.seen for row in rows.features] for model in panel.models])


def test_every_kept_row_is_left_out_by_three_models_in_ten():
    rows, _ = labelled(61)
    (panel,) = drawn(rows).every
    assert ((~panel.saw).sum(axis=0) == 6).all()
    np.testing.assert_array_equal(panel.saw, knows(panel, rows))
    assert [model.rows for model in panel.models] == panel.saw.sum(axis=1).tolist()
    assert np.mean([model.rows for model in panel.models]) == pytest.approx(0.7 * 61)


def test_who_is_out_says_nothing_of_who_else_is():
    """Else the error of an effect would be larger than its standard error: here every row adds to the outcome."""
    strengths = np.random.default_rng(0).standard_normal(60)
    rows, errors, told = labelled(60)[0], [], []
    for seed in range(150):
        saw = drawn(rows, seed=seed).every[0].saw
        found = effects(saw, (saw @ strengths)[:, None])
        errors.append(found.values[:, 0] - strengths)
        told.append(found.standard_errors[:, 0])
    assert np.sqrt(np.mean(np.square(told)) / np.mean(np.square(errors))) == pytest.approx(1, abs=0.03)


def test_the_first_panel_leaves_out_duplicates_together_and_judges_rows_without():
    rows = with_copies(labelled(40)[0], 7, [0, 1])
    panels = drawn(rows)
    first = panels.every[0]
    np.testing.assert_array_equal(panels.saw_group, knows(first, rows))
    assert (panels.saw_group[:, [7, 40]] == panels.saw_group[:, [41]]).all()
    assert set(first.judged) == set(range(40)) - {7}


def test_the_second_panel_leaves_out_single_duplicates_and_nothing_else():
    rows = with_copies(labelled(40)[0], 7, [0, 1])
    second = drawn(rows).every[1]
    assert second.judged.tolist() == [7, 40, 41]
    assert len(second.models) == 10
    assert [model.rows for model in second.models] == (39 + second.saw.sum(axis=1)).tolist()
    for model in second.models:
        assert set(map(tuple, rows.features[:7])) <= model.estimator.seen
    assert ((~second.saw).sum(axis=0) == 3).all()


def test_the_third_panel_adds_rows_that_are_not_kept_to_all_that_are():
    rows, _ = labelled(60)
    keep = np.arange(60) % 5 > 0
    first, third = drawn(rows, keep).every
    assert set(first.judged) == set(np.flatnonzero(keep))
    assert third.judged.tolist() == np.flatnonzero(~keep).tolist()
    np.testing.assert_array_equal(third.saw, knows(third, rows.take(~keep)))
    assert not knows(first, rows.take(~keep)).any()
    assert knows(third, rows.take(keep)).all()
    assert (third.saw.sum(axis=0) == 6).all()


def test_one_row_alone_is_in_some_and_out_of_some():
    rows, _ = labelled(12)
    keep = np.arange(12) == 3
    panels = drawn(rows, keep)
    assert panels.every[0].saw.sum() == 14
    only_one_left = drawn(rows, np.arange(12) != 3).every[1]
    assert only_one_left.saw.sum() == 6


def test_the_draw_does_not_look_at_labels_and_follows_the_seed():
    rows, _ = labelled(60)
    (one,) = drawn(rows).every
    (other,) = drawn(relabelled(rows, np.arange(20), 0)).every
    np.testing.assert_array_equal(one.saw, other.saw)
    assert (drawn(rows, seed=1).every[0].saw != one.saw).any()


def test_few_models_are_made_ten_and_the_usual_number_falls_with_the_rows():
    rows, _ = labelled(30)
    assert len(drawn(rows, models=3).every[0].models) == 10
    assert [usual_models(count) for count in (240, 10_000, 25_000, 50_000, 1_000_000)] == [100, 100, 40, 20, 20]


def test_large_models_are_kept_in_fewer_copies(monkeypatch):
    rows, _ = labelled(200)
    monkeypatch.setattr(learning, "_size", lambda model: 2**30 // 30)
    everybody = np.ones(200, np.bool_)
    panels = draw_panels(lambda _: Remembering(), rows, everybody, models=None, seed=0)
    assert len(panels.every[0].models) == 30
    assert ((~panels.saw_group).sum(axis=0) == 9).all()
    monkeypatch.setattr(learning, "_size", lambda model: 2**40)
    assert len(draw_panels(lambda _: Remembering(), rows, everybody, models=None, seed=0).every[0].models) == 10


def test_each_training_gets_a_random_state_of_its_own():
    rows = with_copies(labelled(60)[0], 7, [0])
    panels = drawn(rows)
    states = [model.estimator.random_state for panel in panels.every for model in panel.models]
    assert len(set(states)) == len(states) == 30
    again = [model.estimator.random_state for panel in drawn(rows).every for model in panel.models]
    assert again == states
