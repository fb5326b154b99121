"""What is kept: the same to the bit, found again only where nothing it depends on has changed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from culpa.influence.gradients import capture
from culpa.influence.gradients.stored import restore_gradients, size_of, store_gradients
from culpa.influence.neural import Judge, Kept, fit_network
from culpa.influence.neural.kept import name_of
from tests.influence.gradients.small_models import MODELS, losses_of, small_model
from tests.influence.neural.test_network_proxy import RECIPE
from tests.influence.small_rows import labelled

CLEAN = labelled(60, seed=1)[0]


def everything(kept, *, recipe=RECIPE, rows=None, reference=CLEAN, seed=0, method="ekfac"):
    """All that a run asks of a network."""
    rows = labelled(120, flipped=0.1)[0] if rows is None else rows
    fitted = fit_network("network", recipe, rows, seed=seed, judge=Judge(method=method), kept=kept)
    scores, influence = fitted.scores(), fitted.influence_on(reference)
    return np.concatenate([scores.without.ravel(), scores.self_influence, influence.mean, influence.standard_error])


def files(kept):
    return {file.name for file in kept.folder.iterdir()}


@pytest.mark.parametrize("method", ["ekfac", "dense", "datainf", "tracin"])
def test_what_is_kept_comes_back_to_the_bit(tmp_path, method):
    kept = Kept(tmp_path / "kept")
    first = everything(kept, method=method)
    before = files(kept)
    np.testing.assert_array_equal(everything(kept, method=method), first)
    np.testing.assert_array_equal(everything(Kept(None), method=method), first)
    assert files(kept) == before


def test_other_reference_rows_need_no_new_training_curvature_or_gradients(tmp_path):
    kept = Kept(tmp_path / "kept")
    everything(kept)
    before = files(kept)
    assert {name.partition("-")[0] for name in before} == {"looked", "training", "curvature", "gradients"}
    other = labelled(50, seed=2)[0]
    found = everything(kept, reference=other)
    assert files(kept) == before
    np.testing.assert_array_equal(found, everything(Kept(None), reference=other))


@pytest.mark.parametrize("changed", ["rows", "seed", "rate", "code", "network"])
def test_whatever_a_training_depends_on_makes_another(tmp_path, changed):
    kept = Kept(tmp_path / "kept")
    everything(kept)
    count = len(files(kept))
    options = {}
    if changed == "rows":
        options["rows"] = labelled(120, flipped=0.1, seed=3)[0]
    if changed == "seed":
        options["seed"] = 1
    if changed == "rate":
        options["recipe"] = replace(RECIPE, rate=0.4)
    if changed == "network":
        options["recipe"] = replace(RECIPE, make=lambda: torch.nn.Linear(4, 3))
    found = everything(replace(kept, code="b" if changed == "code" else ""), **options)
    assert len(files(kept)) >= count + 6
    np.testing.assert_array_equal(found, everything(Kept(None), **options))


def test_a_file_that_cannot_be_read_counts_as_absent(tmp_path):
    kept = Kept(tmp_path / "kept")
    first = everything(kept)
    for file in kept.folder.iterdir():
        file.write_bytes(b"half a file")
    np.testing.assert_array_equal(everything(kept), first)
    assert not list(kept.folder.glob(".*"))


def test_the_files_used_longest_ago_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr("culpa.influence.neural.kept.MOST_BYTES", 5_000)
    kept = Kept(tmp_path / "kept")
    for number in range(4):
        kept.of(f"one-{number}", lambda: ({"x": torch.zeros(400)}, {}))
    assert files(kept) == {"one-2.safetensors", "one-3.safetensors"}


def test_names_tell_apart_values_types_and_shapes():
    one = torch.tensor([1.0, 2.0])
    others = [one.double(), one[None], torch.tensor([2.0, 1.0]), [one, one], "x", ("x", None), 1, 1.0]
    names = [name_of("a", part) for part in (one, *others)]
    assert len(set(names)) == len(names)
    assert name_of("a", one.clone()) == names[0]
    assert name_of("a", "bc", "d") != name_of("a", "b", "cd")


@pytest.mark.parametrize("name", MODELS)
def test_gradients_come_back_as_they_were(name):
    model, batch = small_model(name)
    found = capture(model, losses_of, batch).layers
    again = restore_gradients(*store_gradients(found))
    assert list(again) == list(found)
    for layer, gradients in found.items():
        assert type(again[layer]) is type(gradients)
        assert torch.equal(again[layer].written_out(), gradients.written_out())
    assert size_of(again) == size_of(found) > 0
