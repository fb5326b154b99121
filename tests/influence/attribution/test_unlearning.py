"""Forgetting against the training that never saw the rows."""

from dataclasses import replace

import pytest
import torch

from culpa.influence.attribution.unlearning import foreseen_rise, forget, forget_by_gradients
from culpa.influence.curvature import fit_dense, fit_exact
from culpa.influence.network import train
from tests.influence.network.small_trainings import DATA, RECIPES, blobs

DROPPED = torch.arange(0, 60, 10)


def settled(name="linear", **options):
    """A training that has come to its optimum."""
    recipe = replace(RECIPES[name], epochs=600, batch_size=60, rate=1.0, **options)
    return train(recipe, DATA[name](), seed=0)


def distance(module, other, features):
    """Largest difference of any predicted probability."""
    with torch.no_grad():
        return float((module(features).softmax(1) - other(features).softmax(1)).abs().max())


def hessian(training):
    """That of the training's loss: the penalty is the damping."""
    return fit_exact(training.module, training.recipe.objective, training.batches(), seed=0, damping=training.recipe.l2)


def test_a_settled_linear_model_is_that_of_retraining_after_a_few_newton_steps():
    training = settled()
    truth = training.without(DROPPED).module
    features = blobs(90, seed=1)[0]
    untouched = distance(training.module, truth, features)
    by_steps = [distance(forget(training, DROPPED, hessian(training), steps=steps), truth, features)
                for steps in (1, 3, 10)]  # fmt: skip
    assert untouched > 0.05
    assert by_steps[0] < untouched / 4
    assert by_steps[1] < untouched / 20
    assert by_steps[2] < 1e-3


def test_one_newton_step_is_the_summed_influence_of_the_rows():
    training = settled()
    curvature = hessian(training)
    whole = forget(training, DROPPED, curvature)
    moved = [whole.weight - training.module.weight]
    single = [forget(training, row[None], curvature).weight - training.module.weight for row in DROPPED]
    torch.testing.assert_close(moved[0], torch.stack(single).sum(0), rtol=1e-3, atol=1e-5)


def test_gradients_alone_come_to_the_retrained_model_too_only_slower():
    training = settled()
    truth = training.without(DROPPED).module
    features = blobs(90, seed=1)[0]
    untouched = distance(training.module, truth, features)
    few, many = (distance(forget_by_gradients(training, DROPPED, steps=steps), truth, features) for steps in (5, 100))
    assert few < untouched / 2
    assert many < 1e-3


@pytest.mark.parametrize("name", RECIPES)
def test_of_a_network_that_stopped_early_most_of_the_distance_to_retraining_goes(name):
    """In the median over five trainings: single networks differ."""
    shares = []
    for seed in range(5):
        training = train(RECIPES[name], DATA[name](60, seed=seed), seed=seed)
        truth, features = training.without(DROPPED).module, DATA[name](90, seed=9)[0]
        with torch.no_grad():
            before, after, target = (module(features) for module in
                                     (training.module, forget_by_gradients(training, DROPPED), truth))  # fmt: skip
        shares.append(float((after - target).norm() / (before - target).norm()))
    assert torch.tensor(shares).median() < 0.6


def test_a_row_that_weighed_nothing_is_forgotten_already():
    training = settled().without(torch.tensor([3]))
    same = forget(training, torch.tensor([3]), hessian(training))
    torch.testing.assert_close(same.weight, training.module.weight, rtol=0, atol=1e-6)
    same = forget_by_gradients(training, torch.tensor([3]))
    torch.testing.assert_close(same.weight, training.module.weight, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["network", "words"])
def test_the_preview_tells_what_dropping_wrong_labels_does_to_the_reference_rows(kind):
    """Row by row in each of four trainings, and in size, to a factor of two, in their mean: it is no proof."""
    reference, means, wrong = DATA[kind](90, seed=11), [], torch.arange(0, 60, 6)
    for seed in range(4):
        features, labels = (part.clone() for part in DATA[kind](60, seed=seed))
        labels[wrong] = (labels[wrong] + 1) % 3
        training = train(RECIPES[kind], (features, labels), seed=0)
        real = training.without(wrong).losses(reference) - training.losses(reference)
        foreseen = foreseen_rise(training, forget_by_gradients(training, wrong), reference)
        assert torch.corrcoef(torch.stack([real, foreseen]))[0, 1] > 0.7
        means.append((float(foreseen.mean()), float(real.mean())))
    foreseen, real = torch.tensor(means).mean(0)
    assert real < -0.1
    assert foreseen == pytest.approx(float(real), rel=0.5)


def test_named_layers_alone_move_and_the_training_stays_what_it_was():
    training = train(RECIPES["network"], blobs(), seed=0)
    before = {name: value.clone() for name, value in training.module.state_dict().items()}
    curvature = fit_dense(training.module, training.recipe.objective, training.batches(), seed=0, layers=["2"])
    for module in (
        forget(training, DROPPED, curvature, layers=["2"]),
        forget_by_gradients(training, DROPPED, layers=["2"]),
    ):
        assert torch.equal(module[0].weight, training.module[0].weight)
        assert not torch.equal(module[2].weight, training.module[2].weight)
    assert all(torch.equal(value, before[name]) for name, value in training.module.state_dict().items())


def test_no_step_is_refused():
    with pytest.raises(ValueError, match="steps must be 1 or more, got 0"):
        forget_by_gradients(train(RECIPES["network"], blobs(), seed=0), DROPPED, steps=0)
