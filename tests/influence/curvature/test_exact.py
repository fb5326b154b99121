"""The exact Hessian is the dense matrix where that is exact, and goes on where that ends."""

import pytest
import torch
from torch import nn

from culpa.influence.curvature import fit_dense, fit_exact
from culpa.influence.gradients import Classification, Regression, capture
from tests.influence.curvature.small_curvatures import gauss_newton
from tests.influence.gradients.small_models import losses_of, small_model

DAMPING = 0.01


def rows(count, width, classes, seed=0):
    chance = torch.Generator().manual_seed(seed)
    features = torch.randn(count, width, generator=chance, dtype=torch.float64)
    return features, torch.randint(classes, (count,), generator=chance)


def linear(width, outputs, bias=True):
    torch.manual_seed(0)
    return nn.Linear(width, outputs, bias=bias).double()


SOFTMAX = {
    "a bias": (linear(4, 3), rows(20, 4, 3)),
    "no bias": (linear(4, 3, bias=False), rows(20, 4, 3)),
    "a flatten before it": (
        nn.Sequential(nn.Flatten(), linear(6, 3)),
        (torch.randn(20, 2, 3).double(), rows(20, 4, 3)[1]),
    ),
    "more inputs than rows": (linear(30, 3), rows(20, 30, 3)),
    "more inputs than rows, no bias": (linear(30, 3, bias=False), rows(20, 30, 3)),
    "as many inputs as rows": (linear(19, 3), rows(20, 19, 3)),
}


@pytest.mark.parametrize("damping", [None, DAMPING])
@pytest.mark.parametrize("name", SOFTMAX)
def test_it_is_the_dense_matrix_on_rows_within_and_without_the_training(name, damping):
    model, batch = SOFTMAX[name]
    halves = [[part[:9] for part in batch], [part[9:] for part in batch]]
    one, other = (fit(model, Classification(), halves, seed=0, damping=damping) for fit in (fit_exact, fit_dense))
    assert list(one.damping.values()) == pytest.approx(list(other.damping.values()), rel=1e-12)
    strange = torch.randn_like(batch[0]), batch[1]
    for some in (batch, strange):
        gradients = capture(model, losses_of, some).layers
        written = {layer: values.written_out() for layer, values in gradients.items()}
        for found, expected in (
            *zip(one.solve(written).values(), other.solve(written).values(), strict=True),
            (one.squares(gradients), other.squares(gradients)),
            (one.lengths(gradients), other.lengths(gradients)),
        ):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_for_squared_loss_it_is_the_inputs_second_moment():
    model, (features, _) = linear(4, 1), rows(30, 4, 1)
    fitted = fit_exact(model, Regression(), [(features, features[:, 0])], seed=0, damping=DAMPING)
    inputs = torch.cat([features, torch.ones(30, 1)], dim=1)
    eye = torch.eye(5, dtype=torch.float64)
    expected = torch.linalg.inv(inputs.T @ inputs / 30 + DAMPING * eye)
    torch.testing.assert_close(fitted.solve({"": eye})[""], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "last"), [("network", "3"), ("images", "7"), ("words", "outer"), ("signals", "outer")]
)
def test_of_a_network_it_takes_the_last_layer(name, last):
    model, batch = small_model(name)
    gradients = capture(model, losses_of, batch, [last]).layers
    one, other = (
        fit(model, Classification(), [batch], seed=0, layers=[last]).squares(gradients)
        for fit in (fit_exact, fit_dense)
    )
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_with_many_classes_it_draws_nothing():
    model, batch = linear(3, 20), rows(50, 3, 20)
    fitted = fit_exact(model, Classification(), [batch], seed=0, damping=DAMPING)
    expected = gauss_newton(model, batch) + DAMPING * torch.eye(80, dtype=torch.float64)
    found = fitted.solve({"": torch.eye(80, dtype=torch.float64)})[""]
    torch.testing.assert_close(found @ expected, torch.eye(80, dtype=torch.float64), rtol=0, atol=1e-9)


def test_it_goes_on_where_the_dense_matrix_ends():
    """H times what it solved, by the passes of the softmax and never written out."""
    model, batch = linear(2_000, 6), rows(40, 2_000, 6)
    with pytest.raises(ValueError, match="12,006 parameters"):
        fit_dense(model, Classification(), [batch], seed=0)
    fitted = fit_exact(model, Classification(), [batch], seed=0, damping=DAMPING)
    gradients = capture(model, losses_of, rows(5, 2_000, 6, seed=1)).layers[""].written_out()
    solved = fitted.solve({"": gradients})[""]
    inputs = torch.cat([batch[0], torch.ones(40, 1)], dim=1)
    p = model(batch[0]).detach().softmax(1)
    scores = torch.einsum("nw,gow->gno", inputs, solved.reshape(5, 6, 2_001))
    curved = p * (scores - (p * scores).sum(2, keepdim=True))
    product = torch.einsum("gno,nw->gow", curved, inputs).flatten(1) / 40 + DAMPING * solved
    torch.testing.assert_close(product, gradients, rtol=0, atol=1e-9)


def test_more_parameters_than_can_be_inverted_are_refused(monkeypatch):
    monkeypatch.setattr("culpa.influence.curvature.exact.MOST_PARAMETERS", 10)
    model, batch = linear(4, 3), rows(20, 4, 3)
    with pytest.raises(ValueError, match=r"15 parameters on the rows' span.*10 at most: take fit_ekfac"):
        fit_exact(model, Classification(), [batch], seed=0)


class Halved(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = linear(4, 3)

    def forward(self, features):
        return self.last(features) / 2


class Other:
    def __init__(self):
        self.losses = Classification().losses


REFUSED = {
    "two layers": (
        nn.Sequential(linear(4, 4), linear(4, 3)),
        None,
        r"2 layers came: name the last alone, as in layers=\['1'\]",
    ),
    "not the last": (
        nn.Sequential(linear(4, 3), nn.Tanh()),
        None,
        "does not give the scores that the loss is taken of",
    ),
    "scores changed after it": (Halved(), None, "layer 'last' does not give the scores"),
    "hidden": (nn.Sequential(linear(4, 4), linear(4, 3)), ["0"], "layer '0' does not give the scores"),
    "not linear": (
        nn.Sequential(nn.LayerNorm(4).double(), nn.Linear(4, 3).double()),
        ["0"],
        "'0' is LayerNorm: take fit_dense",
    ),
    "at every position": (
        nn.Sequential(nn.Unflatten(1, (2, 2)), linear(2, 3), nn.Flatten()),
        None,
        "layer '1' does not give",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_closed_form_is_refused_with_the_cure(name):
    model, layers, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        fit_exact(model, Classification(), [rows(20, 4, 3)], seed=0, layers=layers)


def test_other_losses_are_refused():
    with pytest.raises(ValueError, match="that of softmax or squared loss, Other came: take fit_dense"):
        fit_exact(linear(4, 3), Other(), [rows(20, 4, 3)], seed=0)
