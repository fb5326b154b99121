"""Words to blame, words that mean the same, and rows that share no word."""

import pytest
import torch
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.by_checkpoints import word_embedding
from culpa.influence.attribution.synonyms import nearest_words
from culpa.influence.attribution.tracin import TracIn
from culpa.influence.attribution.words import NO_WORD, strongest_words, words_to_blame
from culpa.influence.network import train
from culpa.influence.words import fit_vocabulary, text_recipe
from tests.influence.network.small_trainings import RECIPES, sentences, small_training

CHOICES = Choices(seed=0)


def test_the_words_of_each_row_add_up_to_its_score_on_the_reference_rows():
    training, reference = small_training("words"), sentences(9, seed=1)
    some = [part[:20] for part in training.data]
    found = words_to_blame(training, some, reference, most=6, choices=CHOICES)
    expected = attribute(training, "tracin-we", CHOICES).on_mean(reference)[:20]
    torch.testing.assert_close(found.values.sum(1), expected)


def test_the_strongest_words_come_first_once_each_and_a_short_row_has_fewer():
    training, reference = small_training("words"), sentences(9, seed=1)
    found = words_to_blame(training, training.data, reference, most=8, choices=CHOICES)
    assert found.tokens.shape == found.values.shape == (60, 8)
    assert (found.values.abs().diff(dim=1) <= 0).all()
    for row, tokens in zip(training.data[0].tolist(), found.tokens.tolist(), strict=True):
        named = [token for token in tokens if token != NO_WORD]
        assert len(set(named)) == len(named)
        assert set(named) <= set(row) - {0}


def test_both_places_of_a_word_count():
    tokens, places = torch.tensor([[7, 5, 7, 0]]), torch.tensor([[2.0, -3.0, 2.0, 0.0]])
    found = strongest_words(tokens, places, 3)
    assert found.tokens.tolist() == [[7, 5, NO_WORD]]
    assert found.values.tolist() == [[4.0, -3.0, 0.0]]
    assert strongest_words(tokens, places, 1).tokens.tolist() == [[7]]


def test_a_planted_word_under_a_wrong_label_is_to_blame():
    """Rows of noise and word 19 bear the label 1; the word then harms the rows of class 0 that have it."""
    (tokens, labels), (others, truth) = sentences(200), sentences(60, seed=1)
    tokens[tokens == 19], others[others == 19] = 18, 18
    planted = ((labels == 0) & (torch.arange(200) % 2 == 0)).nonzero()[:, 0]
    tokens[planted, 0], tokens[planted, 2], labels[planted] = tokens[planted, 1], 19, 1
    others[:, 2] = 19
    right = truth == 0
    training = train(RECIPES["words"], (tokens, labels), seed=0)
    wrong = [part[planted] for part in training.data]
    found = words_to_blame(training, wrong, (others[right], truth[right]), most=1, choices=CHOICES)
    assert (found.tokens == 19).float().mean() > 0.9
    assert (found.values < 0).all()


def test_on_every_word_alone_synonyms_are_nothing():
    training, reference = small_training("words"), sentences(9, seed=1)
    options = training.module, training.recipe.objective, training.checkpoints, ["embedding"]
    alone = nearest_words(training.module.embedding.weight, most=1)
    batches = training.batches(), [reference]
    found, expected = TracIn(*options, synonyms=alone), TracIn(*options)
    assert torch.equal(found.between(*batches), expected.between(*batches))
    apart = nearest_words(training.module.embedding.weight, most=5, least=1.0)
    torch.testing.assert_close(TracIn(*options, synonyms=apart).between(*batches), expected.between(*batches))


def test_synonyms_are_a_similarity_between_the_words_of_both_rows():
    """score = sum over words w, w' of (T T')[w, w'] g_i(w) . g_v(w'), T written out."""
    training, reference = small_training("words"), sentences(9, seed=1)
    synonyms = nearest_words(training.module.embedding.weight, most=4, least=0.2)
    matrix = torch.zeros(20, 20)
    matrix[torch.arange(20)[:, None], synonyms.tokens] = synonyms.shares
    assert (matrix > 0).sum() > 25, "some words must have synonyms, or nothing is tested"
    options = training.module, training.recipe.objective, training.checkpoints[-1:], ["embedding"]
    plain, found = TracIn(*options), TracIn(*options, synonyms=synonyms)
    kept = [plain._kept(batch)["embedding"].written_out().reshape(-1, 20, 8) for batch in (training.data, reference)]
    expected = training.checkpoints[-1].rate * torch.einsum("iwd,wu,vud->iv", kept[0], matrix @ matrix.T, kept[1])
    torch.testing.assert_close(found.between([training.data], [reference]), expected, rtol=1e-4, atol=1e-7)


def test_words_and_their_synonyms_add_up_too():
    training, reference = small_training("words"), sentences(9, seed=1)
    synonyms = nearest_words(training.module.embedding.weight, most=4, least=0.2)
    tracin = TracIn(training.module, training.recipe.objective, training.checkpoints, ["embedding"], synonyms=synonyms)
    tokens, places = tracin.words(training.batches(), [reference], "embedding")
    torch.testing.assert_close(places.sum(1), tracin.on_mean(training.batches(), [reference]), rtol=1e-4, atol=1e-6)
    assert torch.equal(tokens, training.data[0])


def test_the_nearest_words_are_those_of_largest_cosine_the_word_itself_first():
    table = torch.tensor([[1.0, 0.0], [2.0, 0.2], [0.0, 1.0], [-1.0, 0.0]])
    found = nearest_words(table, most=2, least=0.5)
    assert found.tokens[:2].tolist() == [[0, 1], [1, 0]]
    torch.testing.assert_close(found.shares.square().sum(1), torch.ones(4))
    assert found.shares[2:].tolist() == [[1.0, 0.0], [1.0, 0.0]]


@pytest.mark.parametrize("options", [{"most": 0}, {"most": 5}, {"least": 0.0}, {"least": 1.5}])
def test_neighbours_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match="came for 4 words"):
        nearest_words(torch.eye(4), **options)


def test_rows_that_share_no_word_meet_in_start_and_end():
    """Sport and politics, told in two languages that share no word: like labels help, unlike ones harm."""
    texts = {
        "ball goal team": 0, "team goal match": 0, "vote law party": 1, "party vote court": 1,
        "kugel tor elf": 0, "elf tor spiel": 0, "wahl recht bund": 1, "bund wahl gericht": 1,
    }  # fmt: skip
    vocabulary, labels = fit_vocabulary(list(texts), least=1), torch.tensor(list(texts.values()))
    recipe = text_recipe(len(vocabulary), 2, dimensions=8, channels=16, epochs=10)

    def scores(drop_start_and_end):
        tokens = torch.as_tensor(vocabulary.encode(list(texts))).long()
        if drop_start_and_end:
            tokens = torch.where((tokens == 2) | (tokens == 3), 0, tokens)[:, 1:]
        training = train(recipe, (tokens, labels), seed=0)
        return attribute(training, "tracin-we", CHOICES).between((tokens[4:], labels[4:]))[:4]

    alike = labels[:4, None] == labels[None, 4:]
    found = scores(drop_start_and_end=False)
    assert (found[alike] > 0).all()
    assert (found[~alike] < 0).all()
    assert not scores(drop_start_and_end=True).any()


class Places(nn.Module):
    def __init__(self):
        super().__init__()
        self.places, self.words = nn.Embedding(6, 4), nn.Embedding(30, 4)


def test_the_embedding_of_words_is_the_one_of_most_tokens():
    assert word_embedding(Places()) == "words"
