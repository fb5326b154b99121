"""The self-test: every sound proxy passes, one whose sign is turned or whose influence is chance does not."""

import numpy as np
import pytest

from culpa.influence import self_test
from culpa.influence.held_out import TooFew
from culpa.influence.self_test import run_self_test
from culpa.influence.training import train_proxies
from tests.influence.small_rows import labelled, measured
from tests.influence.test_faithfulness import Changed


def passed(proxy, rows, reference):
    trained = train_proxies(rows, proxy=proxy, seed=0, rounds=0)
    return run_self_test(trained, rows, reference=reference, seed=0)


@pytest.mark.parametrize("proxy", ["linear", "neighbors", "forest"])
def test_copies_with_right_labels_help_and_with_wrong_ones_harm(proxy):
    found = passed(proxy, labelled(240, flipped=0.1)[0], labelled(60, seed=1)[0])
    assert found.reference_rows == 50
    assert found.passed


@pytest.mark.parametrize("proxy", ["linear", "neighbors", "forest"])
def test_copies_of_numbers_too(proxy):
    assert passed(proxy, measured(240), measured(60, seed=1)).passed


def test_without_trusted_rows_a_fold_is_copied():
    found = passed("linear", labelled(240)[0], None)
    assert found.passed
    assert found.reference_rows > 30


@pytest.mark.parametrize(
    "change", [np.negative, lambda values: values * np.random.default_rng(0).choice([-1, 1], values.shape)]
)
def test_a_proxy_with_another_sign_fails(monkeypatch, change):
    fit = self_test.fit_proxy
    monkeypatch.setattr(self_test, "fit_proxy", lambda *rows, **choices: Changed(fit(*rows, **choices), change))
    assert not passed("linear", labelled(240)[0], labelled(60, seed=1)[0]).passed


def test_two_hundred_rows_are_needed():
    with pytest.raises(TooFew, match="100 labelled rows came"):
        passed("linear", labelled(100)[0], labelled(60, seed=1)[0])
