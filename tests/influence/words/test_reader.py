"""The reader: what the padding does not do, what it learns, and that many of it train as one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from culpa.influence.gradients import Classification, Regression, capture
from culpa.influence.network import stopped_early, train
from culpa.influence.network.together import train_together
from culpa.influence.words import fit_vocabulary, text_recipe

CLASSES = 3


def sentences(rows=150, seed=0):
    """Two words of the row's class among five of none, as texts; labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % CLASSES
    own = [[f"class{label}x{k}" for k in generator.integers(0, 4, 2)] for label in labels]
    others = [[f"other{k}" for k in generator.integers(0, 10, 5)] for _ in labels]
    texts = [" ".join(generator.permutation([*one, *two])) for one, two in zip(own, others, strict=True)]
    return texts, torch.as_tensor(labels)


@pytest.fixture(scope="module")
def case():
    """Recipe, training and held-out rows."""
    texts, labels = sentences()
    vocabulary = fit_vocabulary(texts)
    recipe = text_recipe(len(vocabulary), CLASSES, dimensions=16, channels=16)
    held_out, truth = sentences(60, seed=1)
    data, others = (torch.as_tensor(vocabulary.encode(some)).long() for some in (texts, held_out))
    return recipe, (data, labels), (others, truth)


def test_it_learns_which_words_speak_for_which_class(case):
    recipe, data, (tokens, truth) = case
    module = train(recipe, data, seed=0).module
    assert (module(tokens).argmax(1) == truth).float().mean() > 0.95


def test_padding_changes_nothing_and_learns_nothing(case):
    recipe, data, (tokens, _) = case
    module = train(recipe, data, seed=0).module
    longer = torch.nn.functional.pad(tokens, (0, 5))
    torch.testing.assert_close(module(longer), module(tokens))
    assert not module.embedding.weight[0].any()
    gradients = capture(module, Classification().losses, data).layers["embedding"].written_out()
    assert not gradients.reshape(len(data[0]), *module.embedding.weight.shape)[:, 0].any()


def test_the_order_of_the_words_tells_something(case):
    recipe, *_ = case
    torch.manual_seed(0)
    module = recipe.make()
    one, other = torch.tensor([[2, 5, 6, 7, 3]]), torch.tensor([[2, 7, 6, 5, 3]])
    assert not torch.allclose(module(one), module(other))


def test_an_empty_text_has_scores(case):
    recipe, *_ = case
    assert torch.isfinite(recipe.make()(torch.tensor([[2, 3, 0, 0]]))).all()


def test_every_layer_gives_gradients_by_rows(case):
    recipe, data, _ = case
    assert list(capture(recipe.make(), Classification().losses, data).layers) == ["embedding", "convolution", "last"]


def test_many_readers_train_as_one(case):
    recipe, data, (tokens, _) = case
    short = replace(recipe, epochs=2, checkpoints=1)
    alone = [train(short, data, seed=seed).module(tokens) for seed in (0, 1)]
    together = [training.module(tokens) for training in train_together(short, data, seeds=[0, 1])]
    torch.testing.assert_close(torch.stack(together), torch.stack(alone), rtol=1e-3, atol=1e-3)


def test_it_stops_early_where_labels_say_nothing(case):
    recipe, (tokens, labels), held_out = case
    lots = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    assert stopped_early(recipe, (tokens, lots), held_out, seed=0, patience=2).epochs < recipe.epochs


def test_numbers_are_read_too(case):
    _, (tokens, labels), _ = case
    recipe = text_recipe(60, 0, dimensions=16, channels=16, epochs=20)
    assert recipe.objective == Regression()
    targets = labels.float() - 1
    assert train(recipe, (tokens, targets), seed=0).losses((tokens, targets)).mean() < 0.1


def test_a_vocabulary_of_nothing_is_refused():
    with pytest.raises(ValueError, match="a vocabulary of 1 tokens and 3 classes came"):
        text_recipe(1, 3)
