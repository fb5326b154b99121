"""Artifacts: the means by hand, a planted word found first, nothing found where there is none."""

import numpy as np
import pytest
import torch

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.relative import relative_to_self
from culpa.influence.network import train
from culpa.influence.words import find_artifacts, text_recipe

OWN, COMMON, PLANTED = range(4, 12), range(12, 60), 60  # words of either class, of none, and the artifact


def noise(rows=1_000, seed=0):
    """Rows of words, influence and labels that have nothing to do with each other; a few influences are very large."""
    generator = np.random.default_rng(seed)
    often = 1 / np.arange(1, 301)
    tokens = generator.choice(300, (rows, 12), p=often / often.sum())
    labels = generator.integers(0, 5, rows)
    return tokens, -generator.lognormal(sigma=1.5, size=rows) + labels, labels


def texts(rows, seed, *, planted):
    """Tokens and labels: one word of the row's class and five of none; a tenth speak for the other class.

    `planted` gives the rows of class 1 the artifact, a third of them.
    """
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    speaks = np.where(generator.random(rows) < 0.1, 1 - labels, labels)
    own = np.array(OWN).reshape(2, 4)[speaks, generator.integers(0, 4, rows)]
    tokens = np.column_stack([np.full(rows, 2), own, generator.choice(COMMON, (rows, 5)), np.full(rows, 3)])
    if planted:
        tokens[(labels == 1) & (generator.random(rows) < 1 / 3), 2] = PLANTED
    return torch.as_tensor(tokens), torch.as_tensor(labels)


def influence_on_errors(data, reference):
    """Relative influence on the reference rows of class 0 that the network takes for class 1."""
    recipe = text_recipe(PLANTED + 1, 2, dimensions=16, channels=16, epochs=10)
    training = train(recipe, data, seed=0)
    wrong = (reference[1] == 0) & (training.module(reference[0]).argmax(1) == 1)
    assert wrong.sum() > 5, "without errors there is nothing to explain"
    found = relative_to_self(attribute(training, "ekfac", Choices(seed=0)))
    return found.on_mean([part[wrong] for part in reference]).double().numpy()


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_a_planted_word_is_found_first_and_it_harms(seed):
    tokens, labels = texts(400, seed, planted=True)
    reference = texts(200, seed + 1, planted=False)
    reference[0][reference[1] == 0, 2] = PLANTED
    found = find_artifacts(tokens.numpy(), influence_on_errors((tokens, labels), reference), labels.numpy())
    assert found.tokens[0] == PLANTED
    assert found.effect[0] < 0
    assert found.z[0] < -6
    assert found.q[0] < 1e-6


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_nothing_is_found_in_clean_data(seed):
    tokens, labels = texts(400, seed, planted=False)
    influence = influence_on_errors((tokens, labels), texts(200, seed + 1, planted=False))
    common = np.where(np.isin(tokens, COMMON), tokens, 2)  # words of a class do say something
    found = find_artifacts(common, influence, labels.numpy())
    assert len(found) > 20
    assert not len(found.below(0.05))


def test_chance_is_found_as_seldom_as_asked_for_however_heavy_its_tails():
    runs = [len(find_artifacts(*noise(seed=seed)).below(0.1)) > 0 for seed in range(50)]
    assert np.mean(runs) < 0.1 + 2 * np.sqrt(0.1 * 0.9 / 50)


def test_with_one_label_the_effect_is_the_difference_of_the_means():
    tokens, influence, labels = noise(200)
    found = find_artifacts(tokens, influence, np.zeros_like(labels))
    holds = (tokens == found.tokens[0]).any(axis=1)
    assert found.rows[0] == holds.sum()
    assert found.effect[0] == pytest.approx(influence[holds].mean() - influence[~holds].mean())


def test_over_labels_it_is_their_mean_weighed_by_how_much_each_can_tell():
    tokens, influence, labels = noise(400)
    found = find_artifacts(tokens, influence, labels)
    holds, effects, weights = (tokens == found.tokens[3]).any(axis=1), [], []
    for label in range(5):
        own = labels == label
        effects.append(influence[own & holds].mean() - influence[own & ~holds].mean())
        weights.append((own & holds).sum() * (own & ~holds).sum() / own.sum())
    assert found.effect[3] == pytest.approx(np.average(effects, weights=weights))


def test_the_standard_error_is_the_spread_when_the_word_is_dealt_out_anew():
    tokens, influence, labels = noise(300)
    found = find_artifacts(tokens, influence, labels)
    word, generator, effects = found.tokens[0], np.random.default_rng(0), []
    column = (tokens == word).any(axis=1)
    for _ in range(400):
        dealt = np.zeros(len(column), np.int64)
        for label in range(5):
            own = np.flatnonzero(labels == label)
            dealt[own] = generator.permutation(column[own])
        again = find_artifacts(dealt[:, None], influence, labels)
        effects.append(again.effect[list(again.tokens).index(1)])
    assert np.std(effects) == pytest.approx(found.standard_error[0], rel=0.1)


def test_a_word_that_merely_comes_with_a_label_is_no_artifact():
    generator = np.random.default_rng(0)
    labels = np.arange(400) % 2
    influence = np.where(labels == 1, -5.0, 5.0) + generator.normal(size=400)
    tokens = np.where(generator.random((400, 1)) < 0.1 + 0.8 * labels[:, None], 7, 8)
    assert not len(find_artifacts(tokens, influence, labels).below(0.05))
    assert len(find_artifacts(tokens, influence, np.zeros_like(labels)).below(0.05))


def test_words_of_few_rows_and_of_nearly_all_are_not_tested():
    tokens = np.full((50, 3), 1)
    tokens[:4, 1], tokens[:30, 2] = 8, 9
    found = find_artifacts(tokens, np.random.default_rng(0).normal(size=50), np.zeros(50, np.int64), least=5)
    assert found.tokens.tolist() == [9]
    assert not len(find_artifacts(tokens[:, :1], np.arange(50.0), np.zeros(50, np.int64)))


def test_a_word_must_stand_out_from_what_all_words_do():
    """Every word moves its rows a little; one moves them much more."""
    generator = np.random.default_rng(0)
    tokens, labels = generator.integers(0, 200, (6_000, 6)), np.zeros(6_000, np.int64)
    worth = generator.normal(scale=0.3, size=200)
    worth[7] = -3.0
    influence = worth[tokens].sum(axis=1) + generator.normal(size=6_000)
    assert find_artifacts(tokens, influence, labels).below(0.05).tokens.tolist() == [7]


def test_the_order_of_the_rows_does_not_matter():
    tokens, influence, labels = noise(200)
    order = np.random.default_rng(1).permutation(200)
    one, other = (
        find_artifacts(tokens, influence, labels),
        find_artifacts(tokens[order], influence[order], labels[order]),
    )
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_allclose(one.effect, other.effect)


def test_parts_of_unequal_length_are_refused():
    tokens, influence, labels = noise(20)
    with pytest.raises(ValueError, match="20 rows of tokens, 19 influences, 20 labels"):
        find_artifacts(tokens, influence[1:], labels)
