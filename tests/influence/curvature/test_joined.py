"""Layers end to end and few rows at a time are the same gradients."""

import pytest
import torch

from culpa.influence.curvature import joined
from culpa.influence.curvature.joined import in_precision, join, split, written_in_blocks
from culpa.influence.gradients import Classification, capture
from tests.influence.curvature.small_curvatures import CURVATURES, LastLayer
from tests.influence.gradients.small_models import MODELS, losses_of, small_model


def captured(name):
    model, batch = small_model(name)
    return model, batch, capture(model, losses_of, batch).layers


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("most_entries", [1, 1_000, joined.MOST_ENTRIES])
def test_blocks_of_rows_come_in_order_and_bounded(name, most_entries, monkeypatch):
    monkeypatch.setattr(joined, "MOST_ENTRIES", most_entries)
    gradients = captured(name)[2]
    blocks = list(written_in_blocks(gradients))
    for layer, values in gradients.items():
        parts = [block[layer] for block in blocks]
        torch.testing.assert_close(torch.cat(parts), values.written_out(), rtol=0, atol=1e-12)
        assert all(len(part) == 1 or part.numel() <= most_entries for part in parts)


@pytest.mark.parametrize("name", CURVATURES)
def test_what_is_told_of_rows_does_not_depend_on_the_blocks(name, monkeypatch):
    model, batch, gradients = captured("words")
    fitted = CURVATURES[name](model, Classification(), [batch], seed=0, damping=0.1)
    expected = fitted.squares(gradients), fitted.lengths(gradients)
    monkeypatch.setattr(joined, "MOST_ENTRIES", 1)
    for one, other in zip((fitted.squares(gradients), fitted.lengths(gradients)), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_splitting_takes_joining_back():
    written = {"one": torch.randn(3, 2), "two": torch.randn(3, 4)}
    sizes = {"two": 4, "one": 2}
    assert join(written, sizes).shape == (3, 6)
    for layer, values in split(join(written, sizes), sizes).items():
        torch.testing.assert_close(values, written[layer], rtol=0, atol=0)


@pytest.mark.parametrize("name", MODELS)
def test_another_precision_is_that_of_the_factors(name):
    for layer in captured(name)[2].values():
        narrow = in_precision(layer, torch.float32).written_out()
        assert narrow.dtype == torch.float32
        torch.testing.assert_close(narrow.double(), layer.written_out(), rtol=1e-5, atol=1e-5)
        assert in_precision(layer, torch.float64) is layer


@pytest.mark.parametrize("name", sorted(CURVATURES.keys() - {"identity"}))
def test_gradients_of_other_layers_than_the_curvatures_are_refused(name):
    model, batch, gradients = captured("network")
    fitted = CURVATURES[name](model, Classification(), [batch], seed=0, layers=["3"])
    fitted = fitted.inner if isinstance(fitted, LastLayer) else fitted
    written = {layer: values.written_out() for layer, values in gradients.items()}
    for ask, given in ((fitted.solve, written), (fitted.squares, gradients), (fitted.lengths, gradients)):
        with pytest.raises(ValueError, match=r"layers '0', '3' came, the curvature was fitted on '3': capture the"):
            ask(given)


@pytest.mark.parametrize("name", ["diagonal", "kfac", "ekfac", "datainf"])
def test_where_layers_stand_alone_some_of_them_will_do(name):
    model, batch, gradients = captured("network")
    fitted = CURVATURES[name](model, Classification(), [batch], seed=0)
    whole = fitted.squares(gradients)
    parts = [fitted.squares({layer: values}) for layer, values in gradients.items()]
    torch.testing.assert_close(sum(parts), whole, rtol=1e-12, atol=0)
