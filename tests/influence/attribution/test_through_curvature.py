"""Influence in torch models: the dense formula on a linear model, the sign of a planted duplicate, order and units."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from culpa.influence.attribution.through_curvature import NetworkInfluence
from culpa.influence.gradients import Classification, in_order
from culpa.influence.linear import fit_linear
from tests.influence.curvature.small_curvatures import CURVATURES
from tests.influence.gradients.small_models import small_model
from tests.influence.linear import dense
from tests.influence.small_rows import labelled

L2 = 0.02


@pytest.fixture(scope="module")
def linear():
    """Training and reference rows, the linear proxy, and the same model in torch."""
    rows, reference = labelled(150, flipped=0.1)[0], labelled(40, seed=1)[0]
    fitted = fit_linear(rows, l2=L2)
    model = nn.Linear(4, 3).double()
    with torch.no_grad():
        model.weight.copy_(torch.as_tensor(fitted.weights[:, :-1]))
        model.bias.copy_(torch.as_tensor(fitted.weights[:, -1]))
    return rows, reference, fitted, model


def batches(rows, size=64):
    return list(in_order((torch.as_tensor(rows.features), torch.as_tensor(rows.labels)), size))


def test_on_a_linear_model_it_is_the_formula_written_out(linear):
    rows, reference, fitted, model = linear
    curvature = CURVATURES["dense"](model, Classification(), batches(rows), seed=0, damping=L2)
    found = NetworkInfluence(model, Classification(), curvature, len(rows)).between(batches(rows), batches(reference))
    hessian = dense.dense_hessian(rows, fitted.weights, 0.0) + len(rows) * L2 * np.eye(15)
    solved = np.linalg.solve(hessian, dense.gradients(reference, fitted.weights).T)
    np.testing.assert_allclose(found.numpy(), dense.gradients(rows, fitted.weights) @ solved, rtol=0, atol=1e-11)


def test_it_predicts_what_retraining_without_a_row_does(linear):
    """The proxy's penalty is the damping, but for the intercepts'."""
    rows, reference, fitted, model = linear
    curvature = CURVATURES["dense"](model, Classification(), batches(rows), seed=0, damping=L2)
    found = NetworkInfluence(model, Classification(), curvature, len(rows)).on_mean(batches(rows), batches(reference))
    before, truth = dense.losses(reference, fitted.weights).mean(), []
    for row in range(0, len(rows), 3):
        weights = dense.refit(dense.but(rows, row), len(rows) * L2, fitted.weights)
        truth.append(dense.losses(reference, weights).mean() - before)
    assert spearmanr(found[::3], truth).statistic > 0.95


@pytest.mark.parametrize("name", CURVATURES)
def test_the_mean_over_reference_rows_and_self_influence_are_those_of_the_pairs(name, linear):
    rows, reference, _, model = linear
    curvature = CURVATURES[name](model, Classification(), batches(rows), seed=0, damping=L2)
    influence = NetworkInfluence(model, Classification(), curvature, len(rows))
    pairs = influence.between(batches(rows), batches(reference, 7))
    torch.testing.assert_close(influence.on_mean(batches(rows), batches(reference)), pairs.mean(1), rtol=0, atol=1e-12)
    own = influence.between(batches(rows), batches(rows)).diagonal()
    torch.testing.assert_close(influence.own(batches(rows)), own, rtol=0, atol=1e-12)
    assert (own >= 0).all()


@pytest.mark.parametrize("name", CURVATURES)
@pytest.mark.parametrize("model_name", ["network", "images", "words", "signals"])
def test_a_duplicate_of_the_reference_row_helps_it_and_one_with_a_wrong_label_harms(name, model_name):
    model, (features, labels) = small_model(model_name)
    model.eval()
    wrong = model(features).argmin(1)
    right = model(features).argmax(1)
    curvature = CURVATURES[name](model, Classification(), [(features, labels)], seed=0, damping=0.1)
    influence = NetworkInfluence(model, Classification(), curvature, 7)
    reference = [(features[:1], right[:1])]
    found = influence.between([(features[:1], right[:1]), (features[:1], wrong[:1])], reference)[:, 0]
    assert found[0] > 0 > found[1]


def test_permuting_the_rows_permutes_the_scores_and_batches_do_not_matter():
    model, (features, labels) = small_model("words")
    curvature = CURVATURES["ekfac"](model, Classification(), [(features, labels)], seed=0)
    influence = NetworkInfluence(model, Classification(), curvature, 7)
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])
    whole = influence.between([(features, labels)], [(features, labels)])
    turned = [(features[order][block], labels[order][block]) for block in (slice(0, 2), slice(2, 7))]
    torch.testing.assert_close(influence.between(turned, [(features, labels)]), whole[order], rtol=0, atol=1e-12)


def test_layers_restrict_the_gradients_and_the_curvature():
    model, batch = small_model("network")
    curvature = CURVATURES["ekfac"](model, Classification(), [batch], seed=0, layers=["3"], damping=0.1)
    last = NetworkInfluence(model, Classification(), curvature, 7, layers=["3"]).between([batch], [batch])
    frozen = nn.Sequential(nn.Flatten(), model[3])
    with torch.no_grad():
        hidden = model[:3].eval()(batch[0])
    alone = CURVATURES["ekfac"](frozen, Classification(), [(hidden, batch[1])], seed=0, damping=0.1)
    expected = NetworkInfluence(frozen, Classification(), alone, 7).between([(hidden, batch[1])], [(hidden, batch[1])])
    torch.testing.assert_close(last, expected, rtol=0, atol=1e-10)


def test_rows_is_the_size_that_influence_is_divided_by(linear):
    rows, reference, _, model = linear
    curvature = CURVATURES["identity"]()
    one, ten = (NetworkInfluence(model, Classification(), curvature, count) for count in (1, 10))
    given = batches(rows), batches(reference)
    torch.testing.assert_close(one.between(*given), 10 * ten.between(*given), rtol=0, atol=1e-12)
