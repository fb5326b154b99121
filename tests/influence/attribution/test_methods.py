"""Laws of every method of the table: a new row there brings them all.

Some methods judge a row by chance (networks trained again and again); those keep the laws too, for the seed is theirs.
"""

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr

from culpa.influence.attribution import METHODS, Choices, attribute
from culpa.influence.gradients import Classification
from culpa.influence.network import train
from tests.influence.network.small_trainings import DATA, RECIPES, blobs, small_training

NEED_WORDS = {"tracin-we", "tracin-we-topk", "tracin-we-synonyms"}
NEED_ONE_LAYER = {"exact"}  # whose Hessian is a closed form for a linear layer alone
UNIT_GRADIENTS = {"trackstar"}  # whose score of a row on itself is 1, whatever its label
CHOICES = Choices(seed=0, models=8)
ONE_RUN = {"untrac-inverse"}  # unlearns the reference rows together, which is not the mean of unlearning each
MANY = {"subset-models": 400}  # models for the laws of sign, where 40 leave too much to chance


def kinds_of(method):
    """The small trainings that a method can judge."""
    if method in NEED_ONE_LAYER:
        return ["linear"]
    return ["words"] if method in NEED_WORDS else ["network", "words"]


CASES = [(method, kind) for method in METHODS for kind in kinds_of(method)]


@pytest.fixture(params=CASES, ids=" ".join)
def case(request):
    """A method's name, a training, and reference rows of the same kind."""
    method, kind = request.param
    return method, small_training(kind), DATA[kind](9, seed=1)


def test_every_training_row_is_scored_on_every_reference_row(case):
    method, training, reference = case
    found = attribute(training, method, CHOICES)
    pairs = found.between(reference)
    assert pairs.shape == (60, 9)
    assert torch.isfinite(pairs).all()
    assert pairs.abs().sum() > 0
    mean, own = found.on_mean(reference), found.own()
    assert mean.shape == own.shape == (60,)
    if method in ONE_RUN:
        assert torch.corrcoef(torch.stack([mean, pairs.mean(1)]))[0, 1] > 0.9
    else:
        torch.testing.assert_close(mean, pairs.mean(1).to(mean), rtol=1e-3, atol=1e-5 * float(pairs.abs().max()))


def test_the_same_seed_gives_the_same_scores(case):
    method, training, reference = case
    first, second = (attribute(training, method, CHOICES).between(reference) for _ in range(2))
    assert torch.equal(first, second)


def test_reference_rows_come_back_in_the_order_given(case):
    method, training, reference = case
    order = torch.tensor([4, 2, 8, 0, 1, 3, 7, 6, 5])
    found = attribute(training, method, CHOICES)
    turned = found.between([part[order] for part in reference])
    pairs = found.between(reference)
    torch.testing.assert_close(turned, pairs[:, order], rtol=1e-4, atol=1e-5 * float(pairs.abs().max()))


def test_the_training_is_afterwards_what_it_was(case):
    method, training, reference = case
    before = {name: value.clone() for name, value in training.module.state_dict().items()}
    state = torch.random.get_rng_state()
    found = attribute(training, method, CHOICES)
    found.between(reference), found.own()
    assert all(torch.equal(value, before[name]) for name, value in training.module.state_dict().items())
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in training.module.parameters())
    assert not any(part.training for part in training.module.modules())
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(("method", "kind"), CASES)
def test_a_duplicate_of_the_reference_row_helps_it_and_one_with_a_wrong_label_harms(method, kind):
    """Row 0 is the reference row, row 1 the same with another label."""
    features, labels = (part.clone() for part in DATA[kind]())
    features[1], labels[1] = features[0], (labels[0] + 1) % 3
    training = train(RECIPES[kind], (features, labels), seed=0)
    right = training.recipe.objective.scores(training.module, (features[:1], labels[:1])).argmax(1)
    assert right == labels[0], "the planted row must be learnt, or its sign means nothing"
    choices = Choices(seed=0, models=MANY.get(method, 40))
    found = attribute(training, method, choices).between((features[:1], labels[:1]))[:, 0]
    assert found[0] > 0 > found[1]


def test_self_influence_is_large_where_the_label_is_wrong(case):
    method, training, _ = case
    if method in UNIT_GRADIENTS:
        pytest.skip("it looks for evidence, not for wrong labels")
    features, labels = (part.clone() for part in training.data)
    wrong = torch.arange(60) % 12 == 5
    labels[wrong] = (labels[wrong] + 1) % 3
    noisy = train(training.recipe, (features, labels), seed=0)
    own = attribute(noisy, method, Choices(seed=0, models=40)).own()
    assert own[wrong].mean() > own[~wrong].mean()


def test_an_unknown_method_is_refused_with_those_that_are_there():
    with pytest.raises(ValueError, match=r"no method is called 'magic': there are dot, .*tracin"):
        attribute(small_training("linear"), "magic", CHOICES)


def test_a_method_that_chooses_its_layers_takes_none():
    with pytest.raises(ValueError, match="'tracin-last' chooses its own layers"):
        attribute(small_training("network"), "tracin-last", Choices(seed=0, layers=["2"]))


def test_words_are_asked_of_networks_that_know_words():
    with pytest.raises(ValueError, match="has no Embedding, so it knows no words"):
        attribute(small_training("network"), "tracin-we", CHOICES)


def test_names_are_unique_and_every_method_names_its_source():
    assert all(name == method.name and method.title and method.source for name, method in METHODS.items())


@pytest.mark.parametrize("target", ["probability", "margin"])
def test_classification_influence_is_the_change_of_the_output_after_retraining_without_the_row(target):
    """A linear model at its optimum: the finite difference is exact retraining."""
    training = train(replace(RECIPES["linear"], epochs=300, batch_size=300, rate=1.0), blobs(300), seed=0)
    reference = blobs(9, seed=1)
    found = attribute(training, "dense", Choices(seed=0, damping=1e-2, target=target)).on_mean(reference)
    assert isinstance(training.recipe.objective, Classification)

    def output(module):
        with torch.no_grad():
            log_p = module(reference[0]).log_softmax(1)[torch.arange(9), reference[1]]
        margin = log_p - torch.log1p(-log_p.exp())
        return float((log_p.exp() if target == "probability" else margin).mean())

    left_out = [output(training.without(torch.tensor([row])).module) for row in range(0, 300, 6)]
    truth = output(training.module) - torch.tensor(left_out)
    assert spearmanr(found[::6], truth).statistic > 0.99
    beyond_rounding = truth.abs() > 0.05 * truth.abs().max()
    assert ((found[::6] > 0) == (truth > 0))[beyond_rounding].float().mean() > 0.95


def test_only_a_classifier_can_be_asked_for_its_classification():
    with pytest.raises(ValueError, match="the target 'margin' asks for class probabilities"):
        attribute(small_training("numbers"), "dense", Choices(seed=0, target="margin"))
