"""Learning dynamics: sequences made by hand give the counts; wrong labels and memorized rows stand out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import nn

from culpa.influence.attribution.subset_models import train_subset_models
from culpa.influence.network import train
from culpa.influence.network.dynamics import Looking, Looks, dynamics_of, followed
from tests.influence.network.small_trainings import CLASSES, RECIPES, blobs, numbers, sentences, small_training

SURE, RIGHT, WRONG = (0.05, 2.0), (0.5, 1.0), (1.5, -1.0)  # loss and margin of a look


def by_hand(*rows):
    """The dynamics of rows whose looks are given, epoch after epoch."""
    losses, margins = np.moveaxis(np.array(rows), 2, 0)
    return dynamics_of(Looks(losses.T, margins.T, margins.T, margins.T))


@pytest.mark.parametrize(
    ("looks", "first", "forgotten", "correct", "final", "before"),
    [
        ([SURE, SURE, SURE, SURE], 1, 0, 1, 1, 1),
        ([WRONG, SURE, SURE, SURE], 2, 0, 0.75, 1, 0),
        ([WRONG, RIGHT, SURE, SURE], 2, 0, 0.75, 1, 0.5),
        ([RIGHT, WRONG, RIGHT, WRONG], 1, 2, 0.5, 0, 0.5),
        ([WRONG, RIGHT, WRONG, RIGHT], 2, 1, 0.5, 1, 0.5),
        ([RIGHT, SURE, WRONG, WRONG], 1, 1, 0.5, 0, 1),
        ([WRONG, WRONG, WRONG, WRONG], np.inf, np.inf, 0, 0, 0),
    ],
)
def test_a_sequence_of_looks_gives_the_counts(looks, first, forgotten, correct, final, before):
    found = by_hand(looks, [RIGHT] * 4)
    got = [found.first_learned, found.forgetting_events, found.mean_correct, found.final_correct]
    assert [float(one[0]) for one in got] == [first, forgotten, correct, final]
    assert found.accuracy_before_memorization[0] == before
    assert [float(one[1]) for one in got] == [1, 0, 1, 1]


def test_means_are_over_the_epochs():
    found = by_hand([SURE, WRONG, RIGHT])
    losses, margins = np.array([0.05, 1.5, 0.5]), np.array([2.0, -1.0, 1.0])
    assert found.mean_probability == pytest.approx(np.exp(-losses).mean())
    assert found.probability_deviation == pytest.approx(np.exp(-losses).std())
    assert found.area_under_margin == found.mean_entropy == found.mean_confidence == pytest.approx(margins.mean())
    assert (found.mean_loss, found.loss_deviation) == pytest.approx((losses.mean(), losses.std()))


def test_what_is_seen_is_the_network_after_each_epoch():
    training = small_training("words")
    tokens, labels = training.data
    looking = Looking(training.recipe.objective, training.data)
    training.again(watch=looking)
    assert len(looking.seen) == training.recipe.epochs
    losses, margins, entropies, confidences = looking.seen[-1].double()
    with torch.no_grad():
        scores = training.module(tokens).double()
    p = scores.softmax(1)
    others = torch.stack([scores[row, np.arange(CLASSES) != int(labels[row])].max() for row in range(60)])
    torch.testing.assert_close(losses, -p[range(60), labels].log(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(margins, scores[range(60), labels] - others, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(entropies, -(p * p.log()).sum(1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(confidences, p.amax(1), rtol=1e-4, atol=1e-6)


def test_looking_changes_nothing_and_is_in_evaluation_mode():
    def dropping():
        return nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.5), nn.Tanh(), nn.Linear(16, CLASSES))

    training = train(replace(RECIPES["network"], make=dropping, epochs=3), blobs(), seed=0)
    looking = Looking(training.recipe.objective, training.data)
    seen = training.again(watch=looking)
    for name, value in training.module.state_dict().items():
        assert torch.equal(seen.module.state_dict()[name], value)
    torch.testing.assert_close(looking.seen[-1][0], training.losses(training.data))


def test_columns_are_one_number_for_each_row_by_name():
    columns = followed(small_training("network")).columns()
    assert {"first_learned", "forgetting_events", "area_under_margin", "accuracy_before_memorization"} < set(columns)
    assert all(values.shape == (60,) and values.dtype == np.float64 for values in columns.values())
    assert not any(np.isnan(values).any() for values in columns.values())


def test_of_a_regression_the_losses_alone_are_told():
    training = train(RECIPES["numbers"], numbers(), seed=0)
    columns = followed(training).columns()
    told = {name for name, values in columns.items() if not np.isnan(values).any()}
    assert told == {"mean_loss", "loss_deviation"}
    assert all(np.isnan(values).all() for name, values in columns.items() if name not in told)


def noisy(rows, apart, **options):
    """A wide network on clouds this far apart, a twelfth of the labels wrong, and which these are."""
    features, labels = blobs(rows)
    features = features + apart * torch.eye(CLASSES, 4)[labels]
    wrong = torch.arange(rows) % 12 == 5
    recipe = replace(RECIPES["network"], make=wide, l2=0.0, **options)
    return train(recipe, (features, torch.where(wrong, (labels + 1) % CLASSES, labels)), seed=0), wrong


def wide():
    return nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, CLASSES))


def test_wrong_labels_have_small_margins_and_are_forgotten():
    training, wrong = noisy(200, 1.0, epochs=60, rate=0.3)
    found = followed(training)
    assert roc_auc_score(wrong, -found.area_under_margin) > 0.85
    assert roc_auc_score(wrong, found.forgetting_events.clip(max=1e3)) > 0.85
    assert roc_auc_score(wrong, found.mean_loss) > 0.85


def test_memorized_rows_are_those_that_models_without_them_get_wrong():
    """Memorization by 60 networks on subsets; positive: a large number means memorized."""
    training, _ = noisy(120, 0.0, epochs=60, rate=0.3)
    truth = train_subset_models(training, models=60, seed=0).memorization().values
    found = followed(training)
    proxies = {
        "mean_loss": found.mean_loss,
        "mean_probability": -found.mean_probability,
        "probability_deviation": found.probability_deviation,
        "area_under_margin": -found.area_under_margin,
        "mean_entropy": found.mean_entropy,
        "mean_confidence": -found.mean_confidence,
        "mean_correct": -found.mean_correct,
        "forgetting_events": found.forgetting_events,
        "accuracy_before_memorization": -found.accuracy_before_memorization,
    }
    correlations = {name: spearmanr(values, truth).statistic for name, values in proxies.items()}
    assert min(correlations.values()) > 0.5, correlations
    assert correlations["mean_loss"] > 0.75
    assert spearmanr(found.first_learned, truth).statistic > 0.3


def test_memorized_texts_too():
    recipe = replace(RECIPES["words"], epochs=60)
    tokens, labels = sentences(120)
    wrong = torch.arange(120) % 12 == 5
    training = train(recipe, (tokens, torch.where(wrong, (labels + 1) % CLASSES, labels)), seed=0)
    found = followed(training)
    truth = train_subset_models(training, models=60, seed=0).memorization().values
    assert spearmanr(found.mean_loss, truth).statistic > 0.5
    assert spearmanr(-found.area_under_margin, truth).statistic > 0.5
    assert roc_auc_score(wrong, -found.area_under_margin) > 0.85
