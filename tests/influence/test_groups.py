"""Groups of rows: what leaving one out does, against fitting without it by hand."""

import numpy as np
import pytest

from culpa.influence.groups import leave_groups_out
from culpa.influence.linear import fit_linear
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
