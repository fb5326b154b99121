"""DataInf is its formula written out, row by row; near the exact matrix where it promises to be."""

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from culpa.influence.curvature import Identity, fit_datainf, fit_dense, passes
from culpa.influence.gradients import Classification, Outer, capture
from tests.influence.gradients.small_models import MODELS, losses_of, small_model

DAMPING = 0.01


def written(model, batch):
    return {name: layer.written_out() for name, layer in capture(model, losses_of, batch).layers.items()}


@pytest.fixture(params=["kept", "made anew"])
def _memory(request, monkeypatch):
    monkeypatch.setattr(passes, "MOST_KEPT", passes.MOST_KEPT if request.param == "kept" else 0)


@pytest.mark.usefixtures("_memory")
@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_mean_of_the_inverses(name):
    model, batch = small_model(name)
    gradients = written(model, batch)
    solved = fit_datainf(model, Classification(), [batch], seed=0, damping=DAMPING).solve(gradients)
    for layer, rows in gradients.items():
        eye = torch.eye(rows.shape[1], dtype=torch.float64)
        inverses = torch.linalg.inv(rows[:, :, None] * rows[:, None] + DAMPING * eye)
        torch.testing.assert_close(solved[layer], rows @ inverses.mean(0), rtol=0, atol=1e-10)


def test_the_default_damping_is_the_papers_a_tenth_of_the_mean_squared_gradient_by_parameters():
    model, batch = small_model("words")
    fitted = fit_datainf(model, Classification(), [batch], seed=0)
    for layer, rows in written(model, batch).items():
        expected = 0.1 * float(rows.square().sum(1).mean()) / rows.shape[1]
        assert fitted.damping[layer] == pytest.approx(expected, rel=1e-12)


def test_no_gradient_of_a_training_row_is_written_out(monkeypatch):
    model, batch = small_model("network")
    gradients, factors = written(model, batch), capture(model, losses_of, batch).layers
    monkeypatch.setattr(Outer, "written_out", lambda *_: pytest.fail("gradients were written out"))
    fitted = fit_datainf(model, Classification(), [batch], seed=0)
    fitted.solve(gradients)
    fitted.squares(factors)


def test_with_gradients_short_beside_the_damping_it_is_the_dense_matrix_to_first_order():
    torch.manual_seed(0)
    model = nn.Linear(4, 3).double()
    features = torch.randn(2_000, 4).double()
    labels = torch.distributions.Categorical(logits=model(features).detach()).sample()
    gradients, errors = written(model, (features[:20], labels[:20])), []
    for damping in (10.0, 100.0):
        one, other = (
            fit(model, Classification(), [(features, labels)], seed=0, damping=damping).solve(gradients)[""]
            for fit in (fit_datainf, fit_dense)
        )
        errors.append(float((one - other).norm() / other.norm()))
    assert errors[0] < 0.06
    assert errors[1] < errors[0] / 4


def test_on_a_linear_probe_it_agrees_with_the_exact_matrix_better_than_no_curvature_does():
    torch.manual_seed(0)
    model = nn.Linear(8, 3).double()
    features = torch.randn(400, 8).double() @ torch.diag(torch.logspace(-1, 0.5, 8).double())
    batch = features, torch.distributions.Categorical(logits=model(features).detach()).sample()
    gradients = written(model, batch)[""]
    exact, datainf, plain = (
        (gradients @ fitted.solve({"": gradients[:30]})[""].T).flatten()
        for fitted in (
            fit_dense(model, Classification(), [batch], seed=0, damping=0.1),
            fit_datainf(model, Classification(), [batch], seed=0, damping=0.1),
            Identity(),
        )
    )
    assert spearmanr(exact, datainf).statistic > spearmanr(exact, plain).statistic
