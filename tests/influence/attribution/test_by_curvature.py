"""Rows of the table that stand on a curvature: two ways to the same matrix give the same influence."""

import pytest
import torch

from culpa.influence.attribution import METHODS, Choices, attribute
from culpa.influence.curvature import CURVATURES
from tests.influence.network.small_trainings import DATA, small_training

ROWS = {"identity": "dot", "projected": "logra"}  # named otherwise in the table than among the curvatures


@pytest.mark.parametrize(("method", "kind"), [("exact", "linear"), ("conjugate", "network"), ("logra", "network")])
def test_two_ways_to_the_whole_matrix_give_the_same_influence(method, kind):
    """These networks are small enough for the axes to leave nothing out."""
    training, reference = small_training(kind), DATA[kind](9, seed=1)
    choices = Choices(seed=0, damping=1e-2)
    found, expected = (attribute(training, name, choices).between(reference) for name in (method, "dense"))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_the_exact_hessian_is_to_be_had_of_the_last_layer_alone():
    training, reference = small_training("network"), DATA["network"](9, seed=1)
    with pytest.raises(ValueError, match=r"2 layers came: name the last alone, as in layers=\['2'\]"):
        attribute(training, "exact", Choices(seed=0))
    choices = Choices(seed=0, damping=1e-2, layers=["2"])
    found, expected = (attribute(training, name, choices).own() for name in ("exact", "dense"))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-7)
    assert attribute(training, "exact", choices).between(reference).shape == (60, 9)


def test_every_curvature_can_be_asked_for_by_name():
    assert {ROWS.get(name, name) for name in CURVATURES} <= set(METHODS)
