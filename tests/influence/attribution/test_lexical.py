"""Weights against words: the planted word is found, its rows balanced, and the trained network's bias falls."""

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from culpa.influence.attribution.lexical import PULL, _Balance, biased_words, weights_against_words
from culpa.influence.network import train
from tests.influence.network.small_trainings import RECIPES, blobs, sentences, small_training

WORD, NEUTRAL = 19, 18


def with_a_word(rows, seed, share):
    """Sentences whose marks are wrong at times; WORD stands in `share` of the rows of label 1, .1 or less of others."""
    tokens, labels = (part.clone() for part in sentences(rows, seed))
    chance = torch.Generator().manual_seed(seed + 7)
    unsure = torch.rand(rows, generator=chance) < 0.3
    tokens[unsure, 0] = torch.randint(1, 4, (int(unsure.sum()),), generator=chance)
    tokens[tokens == WORD] = NEUTRAL
    odds = torch.where(labels == 1, share, min(share, 0.1 if share > 0.3 else share))
    tokens[torch.rand(rows, generator=chance) < odds, 1] = WORD
    return tokens, labels


@pytest.fixture(scope="module", params=[0, 1])
def case(request):
    """A training on a word tied to label 1, and reference rows where it is not."""
    seed = request.param
    return train(RECIPES["words"], with_a_word(300, seed, 0.8), seed=seed), with_a_word(90, seed + 10, 0.3)


def rise(training, rows):
    """What WORD in place of a neutral word adds to P(label 1), in the mean."""
    with_it, without = rows.clone(), rows.clone()
    with_it[:, 1], without[:, 1] = WORD, NEUTRAL
    with torch.no_grad():
        p, q = (training.module(tokens).softmax(1)[:, 1] for tokens in (with_it, without))
    return float((p - q).mean())


def test_the_planted_word_is_the_biased_one_and_rows_that_tie_it_to_the_label_lose_their_weight(case):
    training, reference = case
    tokens, labels = training.data
    assert biased_words(training, reference).tolist() == [WORD]
    found, tied = weights_against_words(training, reference), (tokens == WORD).any(1) & (labels == 1)
    assert ((found >= 0) & (found <= 1)).all()
    assert found[tied].mean() < 0.2
    assert found[~tied].mean() > 0.9


def test_under_the_weights_the_word_has_the_labels_of_the_reference_rows(case):
    training, reference = case
    found = weights_against_words(training, reference)
    holds = (training.data[0] == WORD).any(1)
    before = (training.data[1][holds] == 1).float().mean()
    after = found[holds & (training.data[1] == 1)].sum() / found[holds].sum()
    expected = (reference[1][(reference[0] == WORD).any(1)] == 1).float().mean()
    assert before > 0.75
    assert after == pytest.approx(float(expected), abs=0.1)


def test_after_training_with_the_weights_the_bias_of_the_network_falls(case):
    training, reference = case
    rows = with_a_word(300, 50, 0.3)
    weighed = training.again(weights_against_words(training, reference))
    assert rise(training, rows[0]) > 0.3
    assert rise(weighed, rows[0]) < rise(training, rows[0]) / 2
    assert weighed.losses(rows).mean() < training.losses(rows).mean()


def test_without_a_biased_word_all_rows_keep_their_weight():
    training = small_training("words")
    assert biased_words(training, sentences(60, seed=1)).tolist() == []
    assert weights_against_words(training, sentences(60, seed=1)).eq(1).all()


def test_a_word_may_be_named(case):
    training, reference = case
    found = weights_against_words(training, reference, words=[WORD])
    assert torch.equal(found, weights_against_words(training, reference))


def test_the_weights_are_the_least_squares_solution_within_bounds():
    chance = torch.Generator().manual_seed(0)
    holds = (torch.rand(40, 3, generator=chance) < 0.5).double()
    labels = torch.nn.functional.one_hot(torch.randint(0, 3, (40,), generator=chance)).double()
    shares = torch.rand(3, 3, generator=chance).double().softmax(1)
    balance = _Balance.of(holds, labels, shares)
    matrix = torch.stack([balance.times(one).flatten() for one in torch.eye(40).double()], dim=1)
    torch.testing.assert_close(balance.back(balance.times(torch.ones(40).double())), matrix.T @ matrix.sum(1))
    stacked = np.vstack([matrix.numpy(), np.sqrt(PULL) * np.eye(40)])
    target = np.concatenate([np.zeros(9), np.sqrt(PULL) * np.ones(40)])
    expected = lsq_linear(stacked, target, bounds=(0, 1), tol=1e-12).x
    np.testing.assert_allclose(balance.nearest().numpy(), expected, atol=1e-3)


def test_rows_of_numbers_hold_no_words():
    with pytest.raises(ValueError, match=r"features \(60, 4\) of torch.float32, .* needed tokens"):
        weights_against_words(small_training("network"), blobs(5, seed=1))
