"""The training loop: what the same seed repeats, what leaving a row out changes, and what it refuses."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from culpa.influence.network import Recipe, stopped_early, train
from culpa.influence.network.training import restored
from tests.influence.network.small_trainings import DATA, RECIPES, blobs, small_training


@pytest.fixture(params=RECIPES)
def name(request):
    return request.param


def same(one, other):
    return all(torch.equal(value, other.module.state_dict()[key]) for key, value in one.module.state_dict().items())


def test_the_same_seed_gives_the_same_weights_and_another_one_others(name):
    assert same(small_training(name), small_training(name))
    assert not same(small_training(name), small_training(name, seed=1))


def test_training_lowers_the_loss(name):
    training = small_training(name)
    untrained = train(replace(RECIPES[name], rate=1e-9), DATA[name](), seed=0)
    assert training.losses(training.data).mean() < 0.6 * untrained.losses(training.data).mean()


def test_the_global_random_state_is_afterwards_what_it_was():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    small_training("network")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_of_one_are_no_weights_and_a_row_of_weight_nought_leaves_nothing_behind(name):
    recipe, (features, labels) = RECIPES[name], DATA[name]()
    training = small_training(name)
    assert same(train(recipe, (features, labels), seed=0, weights=torch.ones(60)), training)
    changed = features.clone()
    changed[7] = features[11]
    left_out = [train(recipe, (some, labels), seed=0).without(torch.tensor([7])) for some in (features, changed)]
    assert same(*left_out)
    assert not same(left_out[0], training)


def test_one_step_is_the_mean_weighed_gradient_times_the_rate():
    features, labels = blobs(10)
    weights = torch.linspace(0, 2, 10)
    recipe = Recipe(lambda: nn.Linear(4, 3), rate=0.3, epochs=1, batch_size=10)
    module = nn.Linear(4, 3)
    start = train(replace(recipe, rate=1e-12), (features, labels), seed=0).module
    module.load_state_dict(start.state_dict())
    losses = nn.functional.cross_entropy(module(features), labels, reduction="none")
    ((losses * weights).sum() / 10).backward()
    found = train(recipe, (features, labels), seed=0, weights=weights).module
    torch.testing.assert_close(found.weight, module.weight - 0.3 * module.weight.grad)


@pytest.mark.parametrize(("schedule", "rates"), [("constant", [1, 1]), ("linear", [1, 0.5]), ("cosine", [1, 0.5])])
def test_the_rate_falls_as_the_schedule_says_and_watchers_see_each_step(schedule, rates):
    seen = []

    class Watch:
        def step(self, moment):
            seen.append((moment.epoch, moment.rate, sorted(moment.rows.tolist())))

        def epoch(self, number, module):
            seen.append(number)

    recipe = Recipe(lambda: nn.Linear(4, 3), rate=1.0, epochs=2, batch_size=60, schedule=schedule)
    train(recipe, blobs(), seed=0, watch=Watch())
    everybody = list(range(60))
    assert seen == [(0, pytest.approx(rates[0]), everybody), 0, (1, pytest.approx(rates[1]), everybody), 1]


def test_checkpoints_are_spread_over_the_epochs_and_the_last_is_the_end(name):
    training = small_training(name)
    assert len(training.checkpoints) == 5
    assert all(torch.equal(value, training.checkpoints[-1].state[key])
               for key, value in training.module.state_dict().items())  # fmt: skip
    assert len(train(replace(RECIPES[name], epochs=2), DATA[name](), seed=0).checkpoints) == 2


def test_adam_and_momentum_train_too():
    for options in ({"optimizer": "adam", "rate": 0.05}, {"momentum": 0.9, "rate": 0.1}):
        training = train(replace(RECIPES["network"], **options), blobs(), seed=0)
        assert training.losses(training.data).mean() < 0.6


def test_early_stopping_finds_the_epoch_of_least_held_out_loss():
    """Labels by lot: whatever is learnt of them beyond the first epochs is noise."""
    features, labels = blobs(60)
    lots = labels[torch.randperm(60, generator=torch.Generator().manual_seed(0))]
    recipe = Recipe(RECIPES["network"].make, rate=1.0, epochs=100, batch_size=20)
    noisy = stopped_early(recipe, (features, lots), blobs(60, seed=1), seed=0)
    clean = stopped_early(recipe, (features, labels), blobs(60, seed=1), seed=0)
    assert noisy.epochs < clean.epochs <= 100
    assert replace(noisy, epochs=100) == recipe


def test_a_restored_module_has_its_weights_back():
    module = nn.Linear(2, 2)
    before = module.weight.clone()
    with restored(module), torch.no_grad():
        module.weight += 1
    assert torch.equal(module.weight, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0.0}, "rate must be positive, got 0.0"),
        ({"epochs": 0}, "epochs must be positive, got 0"),
        ({"checkpoints": 0}, "checkpoints must be 1 or more, got 0"),
        ({"l2": -1.0}, "l2 must be 0 or more, got -1.0"),
    ],
)
def test_a_training_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{"make": lambda: nn.Linear(4, 3), "rate": 0.1, "epochs": 5, **options})


def test_losses_that_explode_name_the_rate():
    with pytest.raises(ValueError, match=r"the loss is not finite in epoch \d+ at the learning rate 1e\+30: lower"):
        train(replace(RECIPES["numbers"], rate=1e30), DATA["numbers"](), seed=0)


def test_rows_that_do_not_fit_are_refused():
    features, labels = blobs()
    with pytest.raises(ValueError, match=r"parts of \[59, 60\] rows"):
        train(RECIPES["linear"], (features, labels[1:]), seed=0)
    with pytest.raises(ValueError, match=r"weights of the shape \(3,\) came for 60 rows"):
        train(RECIPES["linear"], (features, labels), seed=0, weights=torch.ones(3))
    frozen = Recipe(lambda: nn.Linear(4, 3).requires_grad_(False), rate=0.1, epochs=1)
    with pytest.raises(ValueError, match="Linear has no parameter that learns"):
        train(frozen, (features, labels), seed=0)
