"""Data value embedding against training again without the row: same start, same order, same denominators."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution import data_value_embedding as walking
from culpa.influence.attribution.data_value_embedding import CURVATURES, DataValueEmbedding
from culpa.influence.network import train
from culpa.influence.network.steps import learning_layers, recorded
from culpa.influence.network.together import losses_together, train_together
from tests.influence.network.small_trainings import DATA, RECIPES, blobs, small_training

UNDER_TRAINED = {
    "network": replace(RECIPES["network"], epochs=2),
    "words": replace(RECIPES["words"], epochs=3),
    "numbers": replace(RECIPES["numbers"], epochs=3),
    "momentum": replace(RECIPES["network"], epochs=2, rate=0.1, momentum=0.9, schedule="linear"),
}


def left_out(training, reference):
    """What the loss of each reference row gains by leaving each row out, (training rows, reference rows)."""
    rows = len(training)
    weights = torch.ones(rows, rows) if training.weights is None else training.weights.repeat(rows, 1)
    weights.fill_diagonal_(0)
    found = train_together(training.recipe, training.data, seeds=[training.seed] * rows, weights=weights)
    return losses_together(found, reference) - training.losses(reference)


def walked(training, curvature, most=2**28):
    return DataValueEmbedding(recorded(training, most), learning_layers(training.module), 0, curvature)


@pytest.fixture(scope="module", params=UNDER_TRAINED)
def under_trained(request):
    """A network that has not come to rest, reference rows, and the truth of every pair."""
    kind = "network" if request.param == "momentum" else request.param
    training, reference = train(UNDER_TRAINED[request.param], DATA[kind](), seed=0), DATA[kind](20, seed=1)
    return training, reference, left_out(training, reference)


def agreement(found, truth):
    """Spearman correlation over all pairs, and over the means of the reference rows."""
    return spearmanr(found.flatten(), truth.flatten()).statistic, spearmanr(found.mean(1), truth.mean(1)).statistic


@pytest.mark.parametrize(("curvature", "least"), [("gauss-newton", 0.95), ("gradients", 0.9), ("hessian", 0.99)])
def test_it_orders_rows_as_training_again_without_them_does(under_trained, curvature, least):
    training, reference, truth = under_trained
    assert min(agreement(walked(training, curvature).between(reference), truth)) > least


def test_with_the_hessian_it_holds_to_the_end_of_a_training():
    training, reference = small_training("network"), blobs(20, seed=1)
    truth = left_out(training, reference)
    hessian, gauss_newton = (walked(training, name).between(reference) for name in ("hessian", "gauss-newton"))
    assert min(agreement(hessian, truth)) > 0.95
    assert all(
        one > other for one, other in zip(agreement(hessian, truth), agreement(gauss_newton, truth), strict=True)
    )


def test_in_an_under_trained_network_it_is_ahead_of_influence_at_an_optimum(under_trained):
    training, reference, truth = under_trained
    ours = agreement(walked(training, "gauss-newton").between(reference), truth)
    for method in ("ekfac", "dense"):
        found = attribute(training, method, Choices(seed=0)).between(reference)
        assert all(one > other + 0.1 for one, other in zip(ours, agreement(found, truth), strict=True))


def test_with_the_hessian_it_is_the_derivative_of_the_training_in_the_rows_weight():
    """A finite difference in double precision, on weighed rows, with momentum, a falling rate and a penalty."""
    features, labels = blobs()
    recipe = replace(UNDER_TRAINED["momentum"], make=lambda: RECIPES["network"].make().double(), l2=1e-2)
    weights = torch.linspace(0.5, 1.5, 60, dtype=torch.double)
    training = train(recipe, (features.double(), labels), seed=0, weights=weights)
    reference = [part[:7] for part in training.data]
    found, step = walked(training, "hessian").between(reference), 1e-6
    for row in (0, 17, 59):
        there = [weights.clone(), weights.clone()]
        there[0][row] -= step
        there[1][row] += step
        less, more = (training.again(some).losses(reference) for some in there)
        torch.testing.assert_close(found[row], weights[row] * (less - more) / (2 * step), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("curvature", CURVATURES)
def test_one_step_needs_no_curvature(curvature):
    """After a single step over all rows the score is rate / rows * <g_v(end), g_i(start)>."""
    recipe = replace(RECIPES["network"], epochs=1, batch_size=60)
    training, start = train(recipe, blobs(), seed=0), train(replace(recipe, rate=1e-30), blobs(), seed=0)
    reference = blobs(5, seed=1)
    products = gradients(training, reference) @ gradients(start, training.data).T
    found = walked(training, curvature).between(reference)
    torch.testing.assert_close(found, (0.5 / 60 * products).T, rtol=1e-4, atol=1e-7)


def gradients(training, batch):
    """Of each row's loss in all parameters, (rows, parameters)."""
    losses = training.recipe.objective.losses(training.module, batch)
    found = [torch.autograd.grad(loss, list(training.module.parameters()), retain_graph=True) for loss in losses]
    return torch.stack([torch.cat([part.flatten() for part in one]) for one in found])


@pytest.mark.parametrize("curvature", CURVATURES)
def test_reference_rows_in_blocks_and_steps_trained_again_change_nothing(monkeypatch, curvature):
    training, reference = train(UNDER_TRAINED["words"], DATA["words"](), seed=0), DATA["words"](9, seed=1)
    whole = walked(training, curvature)
    pairs, own = whole.between(reference), whole.own()
    monkeypatch.setattr(walking, "MOST_NUMBERS", 1_000)
    assert whole._together() == 5
    torch.testing.assert_close(walked(training, curvature, 0).between(reference), pairs, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(whole.own(), own, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(own, whole.between(training.data).diagonal(), rtol=1e-4, atol=1e-6)


def test_layers_that_do_not_learn_carry_nothing():
    def half_frozen():
        module = RECIPES["network"].make()
        module[0].requires_grad_(False)
        return module

    training = train(replace(RECIPES["network"], make=half_frozen, epochs=2), blobs(), seed=0)
    assert learning_layers(training.module) == ["2"]
    reference = blobs(20, seed=1)
    found = attribute(training, "data-value-embedding", Choices(seed=0)).between(reference)
    assert min(agreement(found, left_out(training, reference))) > 0.99


def test_a_target_is_what_of_the_reference_row_is_asked_about():
    training, reference = train(UNDER_TRAINED["network"], blobs(), seed=0), blobs(20, seed=1)
    found = attribute(training, "data-value-embedding-hessian", Choices(seed=0, target="probability"))
    before = training.losses(reference)
    truth = torch.exp(-before) - torch.exp(-(left_out(training, reference) + before))
    assert min(agreement(found.between(reference), truth)) > 0.99


def test_an_optimizer_that_is_not_linear_and_an_unknown_curvature_are_refused():
    training = train(replace(UNDER_TRAINED["network"], optimizer="adam", rate=0.05), blobs(), seed=0)
    with pytest.raises(ValueError, match=r"a step of adam is not linear.*train with sgd"):
        attribute(training, "data-value-embedding", Choices(seed=0))
    with pytest.raises(ValueError, match="no curvature of a step is called 'flat': there are gauss-newton"):
        walked(small_training("linear"), "flat")
