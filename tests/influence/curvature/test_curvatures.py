"""Laws of every curvature, and what each is equal to where that is known."""

import inspect

import pytest
import torch
from torch import nn

from culpa.influence import curvature
from culpa.influence.curvature import fit_dense, fit_diagonal, fit_ekfac, fit_kfac, passes
from culpa.influence.gradients import Classification, Regression, capture, in_order
from culpa.influence.gradients.objective import DRAWS
from tests.influence.curvature.small_curvatures import CURVATURES, gauss_newton, joined
from tests.influence.gradients.small_models import MODELS, losses_of, small_model

DAMPING = 0.01


@pytest.fixture(params=CURVATURES)
def fit(request):
    return CURVATURES[request.param]


def fitted_on(fit, name, **options):
    model, batch = small_model(name)
    return fit(model, Classification(), [batch], seed=0, **options), capture(model, losses_of, batch)


def written(captured):
    return {name: layer.written_out() for name, layer in captured.layers.items()}


def inner(one, other):
    """<g_i, h_j> over all layers."""
    return sum(one[name] @ other[name].T for name in one)


def test_the_laws_run_over_every_curvature_there_is_and_all_are_fitted_alike():
    assert CURVATURES.keys() == curvature.CURVATURES.keys()
    alike = list(inspect.signature(curvature.CURVATURES["identity"]).parameters.values())
    for one in curvature.CURVATURES.values():
        own = list(inspect.signature(one).parameters.values())
        assert [(part.name, part.kind, part.default) for part in own[: len(alike)]] == [
            (part.name, part.kind, part.default) for part in alike
        ]
        assert all(part.kind is part.KEYWORD_ONLY and part.default is not part.empty for part in own[len(alike) :])


@pytest.mark.parametrize("name", MODELS)
def test_fitting_leaves_the_module_as_it_was(fit, name):
    model, batch = small_model(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fit(model, Classification(), [batch], seed=0)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(part.training for part in model.modules())


@pytest.mark.parametrize("name", MODELS)
def test_every_curvature_is_symmetric_positive_and_linear(fit, name):
    curvature, captured = fitted_on(fit, name, damping=DAMPING)
    gradients = written(captured)
    solved = curvature.solve(gradients)
    pairs = inner(gradients, solved)
    torch.testing.assert_close(pairs, pairs.T, rtol=0, atol=1e-9)
    assert torch.linalg.eigvalsh(pairs).min() > -1e-9
    twice = curvature.solve({layer: 2 * values[:3] + values[3:6] for layer, values in gradients.items()})
    for layer, values in solved.items():
        assert values.shape == gradients[layer].shape
        torch.testing.assert_close(twice[layer], 2 * values[:3] + values[3:6], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_lengths_are_those_of_the_solved_gradients(fit, name):
    curvature, captured = fitted_on(fit, name, damping=DAMPING)
    solved = torch.cat(list(curvature.solve(written(captured)).values()), dim=1)
    torch.testing.assert_close(curvature.lengths(captured.layers), solved.norm(dim=1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_squares_are_the_diagonal_of_the_solved_products(fit, name):
    curvature, captured = fitted_on(fit, name, damping=DAMPING)
    gradients = written(captured)
    expected = inner(gradients, curvature.solve(gradients)).diagonal()
    torch.testing.assert_close(curvature.squares(captured.layers), expected, rtol=1e-9, atol=1e-9)


def test_the_dense_matrix_is_the_gauss_newton_matrix():
    model, batch = small_model("network")
    fitted = fit_dense(model, Classification(), [batch], seed=0, damping=DAMPING)
    expected = gauss_newton(model, batch) + DAMPING * torch.eye(53, dtype=torch.float64)
    torch.testing.assert_close(fitted.factor @ fitted.factor.T, expected, rtol=0, atol=1e-12)


def test_for_a_linear_model_it_is_the_hessian_of_the_mean_loss():
    torch.manual_seed(0)
    model, batch = nn.Linear(4, 3).double(), (torch.randn(20, 4).double(), torch.randint(0, 3, (20,)))

    def loss(weight, bias):
        return nn.functional.cross_entropy(batch[0] @ weight.T + bias, batch[1])

    blocks = torch.autograd.functional.hessian(loss, tuple(model.parameters()))
    whole = torch.cat([torch.cat([part.reshape(a, b) for part, b in zip(row, (12, 3), strict=True)], dim=1)
                       for row, a in zip(blocks, (12, 3), strict=True)])  # fmt: skip
    place = [out * 4 + k if k < 4 else 12 + out for out in range(3) for k in range(5)]  # the bias is the last input
    fitted = fit_dense(model, Classification(), [batch], seed=0, damping=DAMPING)
    expected = whole[place][:, place] + DAMPING * torch.eye(15, dtype=torch.float64)
    torch.testing.assert_close(fitted.factor @ fitted.factor.T, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_the_diagonal_is_that_of_the_gauss_newton_matrix(name):
    model, batch = small_model(name)
    fitted = fit_diagonal(model, Classification(), [batch], seed=0, damping=DAMPING)
    expected = gauss_newton(model, batch).diagonal() + DAMPING
    torch.testing.assert_close(torch.cat(list(fitted.curvatures.values())), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_ekfac_has_the_true_curvature_along_its_axes(name):
    model, batch = small_model(name)
    fitted = fit_ekfac(model, Classification(), [batch], seed=0, damping=DAMPING)
    matrix, start = gauss_newton(model, batch), 0
    for layer, basis in fitted.bases.items():
        size = len(basis.products)
        block = matrix[start : start + size, start : start + size]
        start += size
        axes = torch.eye(size, dtype=torch.float64)
        if basis.axes is not None:
            axes = torch.kron(basis.axes[1].contiguous(), basis.axes[0].contiguous())
        along = (axes.T @ block @ axes).diagonal() + DAMPING
        torch.testing.assert_close(fitted.curvatures[layer], along, rtol=0, atol=1e-10, msg=layer)


def test_ekfac_is_nearer_to_the_dense_matrix_than_kfac_and_kfac_than_nothing():
    model, batch = small_model("network")
    matrix = gauss_newton(model, batch)
    sizes = [35, 18]
    exact = torch.block_diag(*(matrix[a : a + n, a : a + n] for a, n in zip((0, 35), sizes, strict=True)))
    errors = []
    for fit in (fit_ekfac, fit_kfac):
        fitted = fit(model, Classification(), [batch], seed=0, damping=DAMPING)
        parts = []
        for layer, basis in fitted.bases.items():
            axes = torch.kron(basis.axes[1].contiguous(), basis.axes[0].contiguous())
            parts.append(axes @ torch.diag(fitted.curvatures[layer] - DAMPING) @ axes.T)
        errors.append(float((torch.block_diag(*parts) - exact).norm() / exact.norm()))
    assert errors[0] < errors[1] < 1


@pytest.mark.parametrize("most_kept", [passes.MOST_KEPT, 0])
def test_a_fitted_curvature_stays_what_it_was_when_the_module_changes(fit, most_kept, monkeypatch):
    monkeypatch.setattr(passes, "MOST_KEPT", most_kept)
    fitted, captured = fitted_on(fit, "network", damping=DAMPING)
    gradients = written(captured)
    before = fitted.solve(gradients)
    model, batch = small_model("network")
    fitted = fit(model, Classification(), [batch], seed=0, damping=DAMPING)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    for layer, values in fitted.solve(gradients).items():
        torch.testing.assert_close(values, before[layer], rtol=0, atol=0)


@pytest.mark.parametrize("name", MODELS)
def test_half_precision_models_are_summed_in_single_precision(fit, name):
    """Over 700 rows, seven again and again: a sum in half precision would stand still long before its end."""
    model, (features, labels) = small_model(name)
    features = features.bfloat16() if features.is_floating_point() else features
    many = features.repeat(100, *[1] * (features.ndim - 1)), labels.repeat(100)
    fitted = fit(model.bfloat16(), Classification(), [many], seed=0, damping=0.1)
    found = numbers(fitted, capture(model, losses_of, (features, labels)))
    model, batch = model.double(), (features.double() if features.is_floating_point() else features, labels)
    fitted = fit(model, Classification(), [batch], seed=0, damping=0.1)
    for one, other in zip(found, numbers(fitted, capture(model, losses_of, batch)), strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 0.02 * other.norm()


def numbers(fitted, captured):
    """All that a fitted curvature can tell of some rows."""
    solved = torch.cat(list(fitted.solve(written(captured)).values()), dim=1)
    return solved, fitted.squares(captured.layers), fitted.lengths(captured.layers)


def test_batches_do_not_change_the_curvature(fit):
    model, batch = small_model("words")
    halves = [[part[:3] for part in batch], [part[3:] for part in batch]]
    gradients = written(capture(model, losses_of, batch))
    whole, parts = (fit(model, Classification(), some, seed=0, damping=DAMPING) for some in ([batch], halves))
    for layer, values in whole.solve(gradients).items():
        torch.testing.assert_close(parts.solve(gradients)[layer], values, rtol=0, atol=1e-8)


def test_with_many_classes_labels_are_drawn_and_the_mean_is_right():
    torch.manual_seed(0)
    model, batch = nn.Linear(3, 20).double(), (torch.randn(4_000, 3).double(), torch.zeros(4_000, dtype=torch.long))
    assert Classification().fisher(model, batch, torch.Generator().manual_seed(0)).shape == (4_000, DRAWS)
    drawn = fit_dense(model, Classification(), [batch], seed=0, damping=DAMPING).factor
    expected = gauss_newton(model, batch) + DAMPING * torch.eye(80, dtype=torch.float64)
    assert (drawn @ drawn.T - expected).norm() < 0.1 * expected.norm()
    again = fit_dense(model, Classification(), [batch], seed=0, damping=DAMPING).factor
    torch.testing.assert_close(drawn, again, rtol=0, atol=0)


def test_for_squared_loss_it_is_the_inputs_second_moment():
    torch.manual_seed(0)
    model, batch = nn.Linear(4, 1, bias=False).double(), (torch.randn(30, 4).double(), torch.randn(30).double())
    for fit in (fit_dense, fit_ekfac, fit_kfac):
        fitted = fit(model, Regression(), [batch], seed=0, damping=DAMPING)
        gradients = {"": torch.eye(4, dtype=torch.float64)}
        expected = torch.linalg.inv(batch[0].T @ batch[0] / 30 + DAMPING * torch.eye(4, dtype=torch.float64))
        torch.testing.assert_close(fitted.solve(gradients)[""], expected, rtol=0, atol=1e-9)


def test_the_default_damping_is_a_tenth_of_the_mean_curvature_and_told():
    model, batch = small_model("network")
    for fit in (fit_diagonal, fit_dense, fit_kfac, fit_ekfac):
        fitted = fit(model, Classification(), [batch], seed=0)
        assert all(value > 0 for value in fitted.damping.values())
        explicit = fit(model, Classification(), [batch], seed=0, damping=0.5)
        assert set(explicit.damping.values()) == {0.5}
    mean = gauss_newton(model, batch).diagonal().mean()
    assert fit_dense(model, Classification(), [batch], seed=0).damping["0"] == pytest.approx(0.1 * float(mean))


@pytest.mark.parametrize("damping", [0.0, -1.0])
def test_a_damping_that_is_not_positive_is_refused(fit, damping):
    if fit is CURVATURES["identity"]:
        pytest.skip("it has none")
    with pytest.raises(ValueError, match=f"damping must be positive, got {damping}"):
        fitted_on(fit, "network", damping=damping)


def test_losses_that_are_not_finite_are_an_error_with_its_cause(fit):
    if fit is CURVATURES["identity"]:
        pytest.skip("it looks at none")
    model, (features, labels) = small_model("network")
    for damping in (None, DAMPING):
        with pytest.raises(
            ValueError, match=r"is not finite: losses or activations overflow there; look at the losses"
        ):
            fit(model, Classification(), [(features * float("inf"), labels)], seed=0, damping=damping)


def test_losses_that_are_flat_have_no_default_damping_and_say_so(fit):
    if fit is CURVATURES["identity"]:
        pytest.skip("it looks at none")
    model, batch = small_model("network")
    with torch.no_grad():
        model[3].bias[0] = 1e4
    batch = batch[0], torch.zeros_like(batch[1])
    with pytest.raises(
        ValueError, match=r"is nought: no loss depends on it, or the model is certain .* give a damping"
    ):
        fit(model, Classification(), [batch], seed=0)
    fit(model, Classification(), [batch], seed=0, damping=DAMPING)


def test_a_model_too_large_to_be_written_out_is_refused():
    model, batch = nn.Linear(2_000, 6), (torch.randn(2, 2_000), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"12,006 parameters.*take fit_ekfac, or restrict layers"):
        fit_dense(model, Classification(), [batch], seed=0)


def test_no_rows_and_rows_that_can_be_read_once_only_are_refused(fit):
    if fit is CURVATURES["identity"]:
        pytest.skip("it needs none")
    model, batch = small_model("network")
    with pytest.raises(ValueError, match="no batch came"):
        fit(model, Classification(), [], seed=0)
    with pytest.raises(ValueError, match=r"the batches came as an iterator.*list\(in_order\(data\)\)"):
        fit(model, Classification(), in_order(batch), seed=0)


def test_joined_gradients_have_every_parameter():
    model, batch = small_model("network")
    count = sum(parameter.numel() for parameter in model.parameters())
    assert joined(capture(model, losses_of, batch)).shape == (7, count)
