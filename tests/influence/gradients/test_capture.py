"""Captured gradients are autograd's, row by row; the module is left as it was; what cannot be done is refused."""

import pytest
import torch
from torch import nn

from culpa.influence.gradients import Outer, capture
from tests.influence.gradients.small_models import MODELS, by_autograd, losses_of, small_model


@pytest.mark.parametrize("name", MODELS)
def test_every_layers_gradients_are_those_of_autograd(name):
    model, batch = small_model(name)
    found = capture(model, losses_of, batch)
    owners = [layer for layer, part in model.named_modules() if list(part.parameters(recurse=False))]
    assert list(found.layers) == owners
    for layer, gradients in found.layers.items():
        expected = by_autograd(model, batch, layer)
        torch.testing.assert_close(gradients.written_out(), expected, rtol=0, atol=1e-12, msg=layer)
        assert gradients.parameters == expected.shape[1]
        assert len(gradients) == len(expected)


@pytest.mark.parametrize("name", MODELS)
def test_the_size_of_a_batch_does_not_matter(name):
    model, batch = small_model(name)
    whole = capture(model, losses_of, batch)
    for block in (slice(0, 1), slice(1, 7)):
        part = capture(model, losses_of, [one[block] for one in batch])
        torch.testing.assert_close(part.losses, whole.losses[block], rtol=0, atol=1e-12)
        for layer, gradients in part.layers.items():
            expected = whole.layers[layer].written_out()[block]
            torch.testing.assert_close(gradients.written_out(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_the_module_is_afterwards_what_it_was(name):
    model, batch = small_model(name)
    next(model.children()).eval()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [part.training for part in model.modules()]
    capture(model, losses_of, batch)
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all((parameter.grad == 1).all() for parameter in model.parameters())
    assert not any(part._forward_hooks for part in model.modules())


def test_the_module_is_what_it_was_after_an_error_too():
    model, batch = small_model("network")
    with pytest.raises(ValueError, match="one number for each of 7 rows"):
        capture(model, lambda module, some: losses_of(module, some).mean(), batch)
    assert model.training
    assert not any(part._forward_hooks for part in model.modules())


def test_named_layers_alone_are_captured_and_equal_those_of_all():
    model, batch = small_model("words")
    every, some = capture(model, losses_of, batch), capture(model, losses_of, batch, ["outer", "embedding"])
    assert list(some.layers) == ["embedding", "outer"]
    for layer, gradients in some.layers.items():
        torch.testing.assert_close(gradients.written_out(), every.layers[layer].written_out(), rtol=0, atol=1e-12)


def test_frozen_layers_are_captured_like_others():
    model, batch = small_model("network")
    expected = capture(model, losses_of, batch)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    found = capture(model, losses_of, batch)
    for layer, gradients in found.layers.items():
        torch.testing.assert_close(gradients.written_out(), expected.layers[layer].written_out(), rtol=0, atol=1e-12)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_it_works_where_gradients_are_switched_off():
    model, batch = small_model("network")
    with torch.no_grad():
        found = capture(model, losses_of, batch)
    torch.testing.assert_close(found.layers["0"].written_out(), by_autograd(model, batch, "0"), rtol=0, atol=1e-12)


def test_half_precision_models_are_summed_in_single_precision():
    model, (features, labels) = small_model("network")
    found = capture(model.bfloat16(), losses_of, (features.bfloat16(), labels)).layers["0"]
    assert isinstance(found, Outer)
    assert found.inputs.dtype == found.errors.dtype == found.dots(found).dtype == torch.float32


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.last = nn.Linear(6, 3)

    def forward(self, features):
        return self.last(self.layer(self.layer(features)))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 4)
        self.last = nn.Linear(4, 6, bias=False)
        self.last.weight = self.embedding.weight

    def forward(self, tokens):
        return self.last(self.embedding(tokens).mean(1))


class Changing(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, features):
        state = torch.tanh(features)
        found = self.first(state)
        state += found
        return self.last(state)


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.spare = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, features):
        return self.used(features)


REFUSED = {
    "twice": (Twice(), "layer 'layer' is used twice"),
    "changing": (Changing(), "changed in place after the layer had read it: write x = x"),
    "unused": (Unused(), "the pass did not use layer 'spare': leave it out of layers"),
    "recurrent": (nn.ModuleDict({"state": nn.GRU(6, 3)}), "GRU is not among Linear, .*; pass layers="),
    "groups": (nn.Sequential(nn.Conv1d(6, 6, 1, groups=2)), "its 2 groups are not supported"),
    "padding": (nn.Sequential(nn.Conv1d(6, 6, 1, padding="same")), "padding 'same' of mode 'zeros' is not supported"),
    "scaled": (nn.Embedding(6, 3, scale_grad_by_freq=True), "make a row's gradient depend on the batch"),
    "batch": (nn.BatchNorm1d(6, track_running_stats=False), "the rows of a batch depend on each other"),
    "none": (nn.Flatten(), "Flatten has no layer with parameters"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_apart_by_rows_is_refused_with_the_cure(name):
    model, message = REFUSED[name]
    batch = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    with pytest.raises(ValueError, match=message):
        capture(model, losses_of, batch)


def test_shared_parameters_are_refused_even_if_one_owner_is_left_out():
    batch = torch.randint(0, 6, (4, 3)), torch.tensor([0, 1, 2, 0])
    for layers in (None, ["last"], ["embedding"]):
        with pytest.raises(ValueError, match="'embedding' and 'last' share a parameter"):
            capture(Tied(), losses_of, batch, layers)


def test_an_unknown_layer_is_refused_with_the_names_there_are():
    model, batch = small_model("network")
    with pytest.raises(ValueError, match=r"no layer with parameters is called 1: there are 0, 3"):
        capture(model, losses_of, batch, ["0", "1"])
