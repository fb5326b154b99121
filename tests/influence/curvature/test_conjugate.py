"""Conjugate gradients solve with the dense matrix, or with autograd's Hessian, to the residual they report."""

import pytest
import torch
from torch import nn

from culpa.influence.curvature import fit_conjugate, fit_dense, fit_ekfac, passes
from culpa.influence.curvature.joined import join
from culpa.influence.curvature.layout import to_parameters, to_written
from culpa.influence.gradients import Classification, Regression, capture
from tests.influence.gradients.small_models import MODELS, _laid_out, losses_of, small_model

DAMPING = 0.01
TIGHT = 1e-13


@pytest.fixture(params=["kept", "made anew"])
def _memory(request, monkeypatch):
    monkeypatch.setattr(passes, "MOST_KEPT", passes.MOST_KEPT if request.param == "kept" else 0)


def written(model, batch):
    return {name: layer.written_out() for name, layer in capture(model, losses_of, batch).layers.items()}


def by_autograd(model, batch, loss):
    """The Hessian of a loss over all parameters, rows and columns laid out as written-out gradients are."""
    names, shapes = zip(*((name, one.shape) for name, one in model.named_parameters()), strict=True)
    sizes = [shape.numel() for shape in shapes]

    def value(flat):
        parts = [part.reshape(shape) for part, shape in zip(flat.split(sizes), shapes, strict=True)]
        return loss(torch.func.functional_call(model, dict(zip(names, parts, strict=True)), (batch[0],)), batch[1])

    model.eval()
    flat = torch.cat([one.detach().flatten() for one in model.parameters()])
    places = dict(zip(names, torch.arange(len(flat)).split(sizes), strict=True))
    order = []
    for layer, part in model.named_modules():
        own = [places[f"{layer}.{name}"].reshape(one.shape) for name, one in part.named_parameters(recurse=False)]
        order += [_laid_out(part, *own)] if own else []
    found = torch.autograd.functional.hessian(value, flat)
    order = torch.cat(order)
    return found[order][:, order]


@pytest.mark.usefixtures("_memory")
@pytest.mark.parametrize("name", MODELS)
def test_it_solves_with_the_dense_matrix(name):
    model, batch = small_model(name)
    options = {"seed": 0, "damping": DAMPING}
    found = fit_conjugate(model, Classification(), [batch], tolerance=TIGHT, **options)
    expected = fit_dense(model, Classification(), [batch], **options).solve(written(model, batch))
    for layer, solved in found.solve(written(model, batch)).items():
        torch.testing.assert_close(solved, expected[layer], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_products_with_the_hessian_are_those_of_autograd(name):
    model, batch = small_model(name)
    expected = by_autograd(model, batch, nn.functional.cross_entropy)
    found = fit_conjugate(model, Classification(), [batch], seed=0, kind="hessian")
    directions = torch.eye(len(expected), dtype=torch.float64)
    sizes = {layer: part.shape[1] for layer, part in written(model, batch).items()}
    split = dict(zip(sizes, directions.split(list(sizes.values()), dim=1), strict=True))
    torch.testing.assert_close(join(found.products(split), sizes), expected, rtol=0, atol=1e-12)


def test_it_solves_with_the_hessian_over_batches_and_frozen_layers():
    model, batch = small_model("network")
    expected = by_autograd(model, batch, nn.functional.cross_entropy) + torch.eye(53, dtype=torch.float64)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    halves = [[part[:3] for part in batch], [part[3:] for part in batch]]
    fitted = fit_conjugate(model, Classification(), halves, seed=0, damping=1.0, kind="hessian", tolerance=TIGHT)
    gradients = written(model, batch)
    solved = torch.cat(list(fitted.solve(gradients).values()), dim=1)
    torch.testing.assert_close(solved @ expected, torch.cat(list(gradients.values()), dim=1), rtol=0, atol=1e-12)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_half_precision_is_differentiated_twice_in_single_precision():
    model, (features, labels) = small_model("network")
    batch = features.bfloat16(), labels
    many = batch[0].repeat(100, 1), labels.repeat(100)
    options = {"seed": 0, "damping": 1.0, "kind": "hessian"}
    half = fit_conjugate(model.bfloat16(), Classification(), [many], **options).solve(written(model, batch))
    batch = features.bfloat16().double(), labels
    double = fit_conjugate(model.double(), Classification(), [batch], **options).solve(written(model, batch))
    for layer, values in half.items():
        assert values.dtype == torch.float32
        assert (values - double[layer]).norm() < 0.02 * double[layer].norm()


def test_on_a_linear_model_hessian_and_gauss_newton_are_one():
    torch.manual_seed(0)
    model, batch = nn.Linear(4, 3).double(), (torch.randn(20, 4).double(), torch.randint(0, 3, (20,)))
    one, other = (
        fit_conjugate(model, Classification(), [batch], seed=0, kind=kind, tolerance=TIGHT).solve(written(model, batch))
        for kind in ("hessian", "gauss-newton")
    )
    torch.testing.assert_close(one[""], other[""], rtol=0, atol=1e-10)


def test_a_loss_that_does_not_curve_leaves_the_damping_alone():
    class Sums(Regression):
        def losses(self, module, batch):
            return self.predictions(module, batch)

    model, batch = nn.Linear(4, 1).double(), (torch.randn(6, 4).double(), torch.randn(6).double())
    fitted = fit_conjugate(model, Sums(), [batch], seed=0, kind="hessian", damping=0.5)
    gradients = {"": torch.randn(3, 5).double()}
    torch.testing.assert_close(fitted.solve(gradients)[""], 2 * gradients[""])


def test_a_hessian_that_curves_down_is_refused_with_the_damping_it_takes():
    model, batch = small_model("network")
    least = float(torch.linalg.eigvalsh(by_autograd(model, batch, nn.functional.cross_entropy)).min())
    assert least < -0.02
    small = fit_conjugate(model, Classification(), [batch], seed=0, kind="hessian", damping=1e-6)
    with pytest.raises(ValueError, match=r"curves down, by .* raise damping by more .* or take kind='gauss-newton'"):
        small.solve(written(model, batch))
    enough = fit_conjugate(model, Classification(), [batch], seed=0, kind="hessian", damping=2 * -least)
    enough.solve(written(model, batch))


def test_the_residual_it_reports_is_the_true_one():
    model, batch = small_model("images")
    gradients = written(model, batch)
    fitted = fit_conjugate(model, Classification(), [batch], seed=0, damping=1e-4, most_steps=5)
    solved, report = fitted.attempt(gradients)
    factor = fit_dense(model, Classification(), [batch], seed=0, damping=1e-4).factor
    joined, found = (torch.cat(list(values.values()), dim=1) for values in (gradients, solved))
    expected = ((joined - found @ factor @ factor.T).norm(dim=1) / joined.norm(dim=1)).max()
    assert report.residual == pytest.approx(float(expected), rel=1e-9)
    assert report.steps == 5
    with pytest.raises(
        ValueError, match=rf"residual of {report.residual:.2g} in 5 steps, the most allowed, needed 1e-05: raise"
    ):
        fitted.solve(gradients)


def test_a_module_in_single_precision_is_solved_beyond_it():
    model, (features, labels) = small_model("network")
    batch = features.float(), labels
    gradients = written(model.float(), batch)
    fitted = fit_conjugate(model, Classification(), [batch], seed=0, damping=1e-3, tolerance=1e-10)
    assert fitted.attempt(gradients)[1].residual <= 1e-10
    expected = fit_dense(model, Classification(), [batch], seed=0, damping=1e-3).solve(gradients)
    for layer, values in fitted.solve(gradients).items():
        torch.testing.assert_close(values, expected[layer], rtol=1e-6, atol=1e-6 * float(values.abs().max()))


def test_rounding_that_keeps_it_from_its_tolerance_is_told_and_not_waited_for():
    model, (features, labels) = small_model("network")
    batch = features.float(), labels
    fitted = fit_conjugate(model.float(), Classification(), [batch], seed=0, damping=1e-3, tolerance=1e-20)
    solved, report = fitted.attempt(written(model, batch))
    assert 1e-20 < report.residual < 1e-10
    assert report.steps < 500
    with pytest.raises(ValueError, match="where rounding leaves nothing to gain"):
        fitted.solve(written(model, batch))
    assert all(values.dtype == torch.float32 for values in solved.values())


def test_a_gradient_of_nought_has_no_residual():
    model, batch = small_model("network")
    gradients = {layer: torch.zeros_like(values) for layer, values in written(model, batch).items()}
    solved, report = fit_conjugate(model, Classification(), [batch], seed=0).attempt(gradients)
    assert (report.residual, report.steps) == (0, 0)
    assert not any(values.any() for values in solved.values())


def test_ekfac_as_preconditioner_saves_most_of_the_steps_on_inputs_of_different_size():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 10), nn.Tanh(), nn.Linear(10, 3)).double()
    scales = torch.logspace(-2, 1, 12).double()
    batch = torch.randn(200, 12).double() * scales, torch.randint(0, 3, (200,))
    options = {"seed": 0, "damping": 1e-5}
    ekfac = fit_ekfac(model, Classification(), [batch], **options)
    rows = [part[:5] for part in batch]
    plain, eased = (
        fit_conjugate(model, Classification(), [batch], preconditioner=one, **options).attempt(written(model, rows))
        for one in (None, ekfac)
    )
    assert eased[1].residual < 1e-5
    assert eased[1].steps < plain[1].steps / 2
    for layer, values in eased[0].items():
        torch.testing.assert_close(values, plain[0][layer], rtol=1e-3, atol=1e-3 * float(values.abs().max()))


@pytest.mark.parametrize("name", MODELS)
def test_layouts_are_those_of_written_out_gradients_and_go_both_ways(name):
    model, batch = small_model(name)
    for layer, values in written(model, batch).items():
        part = model.get_submodule(layer)
        parameters = to_parameters(part, values)
        assert [one.shape[1:] for one in parameters] == [one.shape for one in part.parameters()]
        torch.testing.assert_close(to_written(part, parameters), values, rtol=0, atol=0)
        torch.testing.assert_close(_laid_out(part, *(one[2] for one in parameters)), values[2], rtol=0, atol=0)
