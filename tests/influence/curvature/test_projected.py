"""Projections act on the factors as on what they stand for; with all axes the projected matrix is the dense one."""

import pytest
import torch
from torch import nn

from culpa.influence.curvature import fit_dense, fit_projected
from culpa.influence.curvature.bases import eigenbases
from culpa.influence.curvature.projection import Sketch, principal_projection, random_projection
from culpa.influence.gradients import Classification, Lookups, capture
from tests.influence.curvature.small_curvatures import gauss_newton
from tests.influence.gradients.small_models import MODELS, losses_of, small_model

DAMPING = 0.01
WIDTHS = {"widths": (3, 2), "sketch": 5}


def captured(model, batch):
    return capture(model, losses_of, batch).layers


def written(gradients):
    return {name: layer.written_out() for name, layer in gradients.items()}


def make_random(model, batch, **options):
    return random_projection(captured(model, batch), seed=0, **options)


def make_principal(model, batch, **options):
    return principal_projection(eigenbases(model, Classification(), [batch], 0, None), seed=0, **options)


@pytest.fixture(params=[make_random, make_principal])
def make(request):
    return request.param


def matrix(projection, gradients):
    """P, (axes, parameters), block by block."""
    blocks = [
        layer.project_written(torch.eye(gradients[name].parameters, dtype=torch.float64)).T
        for name, layer in projection.layers.items()
    ]
    return torch.block_diag(*blocks)


@pytest.mark.parametrize("name", MODELS)
def test_axes_are_orthonormal_and_act_alike_on_factors_and_on_written_out_gradients(make, name):
    model, batch = small_model(name)
    gradients = captured(model, batch)
    projection = make(model, batch, **WIDTHS)
    P = matrix(projection, gradients)
    torch.testing.assert_close(P @ P.T, torch.eye(len(P), dtype=torch.float64), rtol=0, atol=1e-12)
    joined = torch.cat(list(written(gradients).values()), dim=1)
    found = projection.project(gradients)
    assert found.shape == (len(batch[0]), sum(projection.widths.values()))
    torch.testing.assert_close(found, joined @ P.T, rtol=0, atol=1e-12)
    torch.testing.assert_close(projection.project_written(written(gradients)), joined @ P.T, rtol=0, atol=1e-12)
    back = torch.cat(list(projection.back(found).values()), dim=1)
    torch.testing.assert_close(back, joined @ P.T @ P, rtol=0, atol=1e-12)


@pytest.mark.parametrize("axes", ["random", "principal"])
@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_matrix_on_the_axes_and_nought_off_them(axes, name):
    model, batch = small_model(name)
    gradients = captured(model, batch)
    fitted = fit_projected(model, Classification(), [batch], seed=0, damping=DAMPING, axes=axes, **WIDTHS)
    P = matrix(fitted.projection, gradients)
    inner = P @ gauss_newton(model, batch) @ P.T + DAMPING * torch.eye(len(P), dtype=torch.float64)
    joined = torch.cat(list(written(gradients).values()), dim=1)
    found = torch.cat(list(fitted.solve(written(gradients)).values()), dim=1)
    torch.testing.assert_close(found, joined @ P.T @ torch.linalg.inv(inner) @ P, rtol=0, atol=1e-9)


@pytest.mark.parametrize("axes", ["random", "principal"])
@pytest.mark.parametrize("name", MODELS)
def test_with_all_axes_it_is_the_dense_matrix(axes, name):
    model, batch = small_model(name)
    gradients = written(captured(model, batch))
    options = {"seed": 0, "damping": None}
    found = fit_projected(model, Classification(), [batch], axes=axes, widths=(999, 999), sketch=999, **options)
    expected = fit_dense(model, Classification(), [batch], **options)
    assert found.added == pytest.approx(expected.added, rel=1e-9)
    solved = expected.solve(gradients)
    for layer, values in found.solve(gradients).items():
        torch.testing.assert_close(values, solved[layer], rtol=1e-8, atol=1e-8)


def test_principal_axes_hold_more_of_the_gradients_than_random_ones():
    model, batch = small_model("images")
    gradients = captured(model, batch)
    squares = [
        make(model, batch, widths=(4, 2), sketch=99).project(gradients).square().sum()
        for make in (make_random, make_principal)
    ]
    assert squares[0] < 0.7 * squares[1]


def test_an_embedding_is_sketched_by_the_words_of_each_row_alone(monkeypatch):
    model, batch = small_model("words")
    gradients = captured(model, batch)
    monkeypatch.setattr(Lookups, "written_out", lambda *_: pytest.fail("an embedding's gradients were written out"))
    assert isinstance(make_random(model, batch, **WIDTHS).layers["embedding"], Sketch)
    fitted = fit_projected(model, Classification(), [batch], seed=0, **WIDTHS)
    fitted.squares(gradients)
    fitted.lengths(gradients)


def test_buckets_are_of_equal_size_give_or_take_one():
    model, batch = small_model("words")
    sketch = make_random(model, batch, **WIDTHS).layers["embedding"]
    assert sketch.buckets.bincount().tolist() == [9, 9, 9, 9, 8]


def test_the_seed_draws_the_axes():
    model, batch = small_model("words")
    one, same, other = (
        fit_projected(model, Classification(), [batch], seed=seed, **WIDTHS).squares(captured(model, batch))
        for seed in (0, 0, 1)
    )
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.allclose(one, other)


def test_more_axes_than_a_matrix_is_written_out_for_are_refused():
    model, batch = nn.Linear(200, 100), (torch.randn(2, 200), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"20,100 axes came.*10,000 at most: take smaller widths"):
        fit_projected(model, Classification(), [batch], seed=0, widths=(999, 999))
