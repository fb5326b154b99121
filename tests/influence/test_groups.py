"""Groups of rows: what leaving one out does, against fitting without it by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.naive_bayes import GaussianNB
from torch import nn

from culpa.influence.groups import leave_groups_out, outcomes_without
from culpa.influence.linear import fit_linear
from culpa.influence.network import Recipe
from culpa.influence.neural import fit_network
from culpa.influence.training import train_proxies
from tests.influence.small_rows import labelled, measured

SOURCES = np.arange(240) % 4


def masks(groups=range(4)):
    return [group == SOURCES for group in groups]


@pytest.fixture(scope="module")
def case():
    """Rows of four sources, the last of which has every label wrong; and clean reference rows."""
    rows, reference = labelled()[0], labelled(60, seed=1)[0]
    bad = SOURCES == 3
    rows.labels[bad] = (rows.labels[bad] + 1) % 3
    return rows, reference, train_proxies(rows, proxy="linear", seed=0, rounds=0)


def test_the_effect_is_that_of_fitting_without_the_group(case):
    rows, reference, trained = case
    found = leave_groups_out(trained, rows, reference, masks())
    fitted = trained.fitted["linear"]

    def loss(keep):
        l2 = fitted.strength.l2 * len(rows) / keep.sum()
        p = fit_linear(rows.take(keep), l2=l2).predict(reference)
        return -np.log(p[np.arange(60), reference.labels]).mean()

    everybody = loss(np.ones(240, np.bool_))
    np.testing.assert_allclose(found, [loss(~group) - everybody for group in masks()], rtol=0, atol=1e-4)


def test_a_source_of_wrong_labels_harms_and_the_others_help(case):
    rows, reference, trained = case
    found = leave_groups_out(trained, rows, reference, masks())
    assert found[3] < 0
    assert (found[:3] > found[3]).all()


def test_a_group_that_is_a_whole_class_cannot_be_left_out(case):
    rows, reference, trained = case
    assert np.isnan(leave_groups_out(trained, rows, reference, [rows.labels == 1])).all()


def test_numbers_are_judged_by_their_squared_error():
    rows, reference = measured(), measured(60, seed=1)
    rows.labels[SOURCES == 3] += 3.0
    trained = train_proxies(rows, proxy="linear", seed=0, rounds=0)
    found = leave_groups_out(trained, rows, reference, masks())
    assert found.argmin() == 3
    assert found[3] < 0


def test_an_estimator_is_trained_once_without_the_group():
    rows, reference = labelled(200)[0], labelled(60, seed=1)[0]
    trained = train_proxies(rows, proxy="sklearn.naive_bayes:GaussianNB", seed=0, rounds=0)
    keep = np.arange(200) >= 50
    found = outcomes_without(trained, rows, keep, reference)
    expected = GaussianNB().fit(rows.features[keep], rows.labels[keep]).predict_proba(reference.features)
    np.testing.assert_allclose(found, (150 * expected + 1 / 3) / 151, rtol=0, atol=1e-6)


def test_a_network_loses_a_group_in_an_otherwise_unchanged_training():
    rows, reference = labelled(120)[0], labelled(40, seed=1)[0]
    recipe = Recipe(lambda: nn.Linear(4, 3), rate=0.3, epochs=5, batch_size=30)
    fitted = fit_network("net", recipe, rows, seed=0)
    keep = np.arange(120) >= 20
    weights = torch.from_numpy(keep).float()
    again = replace(fitted, training=fitted.training.again(weights))
    np.testing.assert_allclose(fitted.predict_without(keep, reference), again.predict(reference), rtol=0, atol=1e-6)
