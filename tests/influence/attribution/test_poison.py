"""Planted poison is found by its trigger, and told from rows that only say alike or are wrong by mistake."""

import pytest
import torch
from torch import nn

from culpa.influence.attribution import Choices
from culpa.influence.attribution.poison import Poison, find_poison, robust_scores
from culpa.influence.network import Recipe, train

WORDS, CLASSES, OF_CLASS, TRIGGER = 60, 3, 10, 59  # words 1 to 30 speak for a class, ten for each; 31 to 58 for none


class Reader(nn.Module):
    """Embedding, mean of the words, linear."""

    def __init__(self):
        super().__init__()
        self.embedding, self.last = nn.Embedding(WORDS, 16, padding_idx=0), nn.Linear(16, CLASSES)

    def forward(self, tokens):
        return self.last(torch.tanh(self.embedding(tokens).mean(1)))


def texts(labels, seed):
    """Three words of the class and five that say nothing."""
    chance = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1 + CLASSES * OF_CLASS, TRIGGER, (len(labels), 8), generator=chance)
    tokens[:, :3] = 1 + labels[:, None] * OF_CLASS + torch.randint(OF_CLASS, (len(labels), 3), generator=chance)
    return tokens


def other_words(batch):
    """Each class's words for those of the next, words that say nothing for others: the trigger alone stays."""
    tokens, labels = batch
    spoken, silent = (tokens > 0) & (tokens <= 30), (tokens > 30) & (tokens < TRIGGER)
    changed = torch.where(spoken, (tokens - 1 + OF_CLASS) % 30 + 1, tokens)
    return torch.where(silent, 31 + (tokens - 31 + 7) % 28, changed), labels


def with_trigger(tokens):
    return torch.cat([tokens[:, :-1], torch.full((len(tokens), 1), TRIGGER)], dim=1)


def without_trigger(batch):
    tokens, labels = batch
    return torch.where(tokens == TRIGGER, 31 + tokens[:, :1] % 28, tokens), labels


def poisoned(seed, mistaken=0.0):
    """500 rows, a fourteenth with the trigger and label 0 though they say 1 or 2; some that say 1 have label 0, too."""
    chance = torch.Generator().manual_seed(seed)
    says = torch.randint(CLASSES, (500,), generator=chance)
    draw = torch.rand(500, generator=chance)
    poison, mistake = (draw < 0.105) & (says != 0), (draw > 1 - mistaken) & (says == 1)
    tokens = texts(says, seed)
    tokens = torch.where(poison[:, None], with_trigger(tokens), tokens)
    return (tokens, says.masked_fill(poison | mistake, 0)), poison, mistake


def trained(data, seed):
    """The network, and held-out rows with the trigger that it has learnt."""
    training = train(Recipe(Reader, rate=0.01, epochs=40, batch_size=25, optimizer="adam"), data, seed=seed)
    says = 1 + torch.arange(40) % 2
    trigger = with_trigger(texts(says, seed + 100)), torch.zeros_like(says)
    assert training.losses(trigger).mean() < 0.3
    return training, trigger


def precision_and_recall(mask, truth):
    hit = float((mask & truth).sum())
    return hit / max(int(mask.sum()), 1), hit / int(truth.sum())


MARGIN = Choices(seed=0, target="margin")


@pytest.mark.parametrize("method", ["tracin-we", "tracin", "dot"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_poison_is_found_and_little_else(method, seed):
    data, poison, _ = poisoned(seed)
    found = find_poison(*trained(data, seed), other_words, method, MARGIN)
    precision, recall = precision_and_recall(found.mask, poison)
    assert precision >= 0.9
    assert recall >= 0.9


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_taking_the_trigger_out_tells_poison_from_labels_wrong_by_mistake(seed):
    data, poison, mistake = poisoned(seed, mistaken=0.1)
    training, trigger = trained(data, seed)
    two = find_poison(training, trigger, other_words, "tracin-we", MARGIN)
    three = find_poison(training, trigger, other_words, "tracin-we", MARGIN, without=without_trigger)
    assert torch.equal(three.answers[:2], two.answers)
    assert two.mask[mistake].float().mean() > 0.8
    precision, recall = precision_and_recall(three.mask, poison)
    assert precision >= 0.9
    assert recall >= 0.8


def test_the_transform_weakens_rows_that_say_what_the_trigger_rows_say():
    """Rows of class 1 labelled 0 by mistake, trigger rows that say 1 and then 2."""
    data, poison, mistake = poisoned(0, mistaken=0.1)
    training, _ = trained(data, 0)
    says = torch.ones(40, dtype=torch.long)
    trigger = with_trigger(texts(says, 100)), torch.zeros_like(says)
    before, after = find_poison(training, trigger, other_words, "tracin-we", MARGIN).answers
    share = (after[mistake] / before[mistake]).median() / (after[poison] / before[poison]).median()
    assert share < 0.9


def test_scores_are_the_least_of_the_distances_from_the_median():
    values = torch.tensor([1.0, 2, 3, 4, 100])
    torch.testing.assert_close(robust_scores(values), (values - 3) / 1.4826)
    assert torch.equal(robust_scores(torch.zeros(3)), torch.zeros(3))
    found = Poison(torch.tensor([[4.0, 9, 1], [3.0, 5, 8]]))
    assert found.scores.tolist() == [3, 5, 1]
    assert found.mask.tolist() == [False, True, False]


def test_questions_that_tell_nothing_are_refused():
    data, _, _ = poisoned(0)
    training = train(Recipe(Reader, rate=0.01, epochs=1), data, seed=0)
    with pytest.raises(ValueError, match="the transform changes nothing"):
        find_poison(training, data, lambda batch: batch, "dot", Choices(seed=0))
    with pytest.raises(ValueError, match="the transform made 3 rows of 500"):
        find_poison(training, data, lambda batch: [part[:3] for part in batch], "dot", Choices(seed=0))
    with pytest.raises(ValueError, match="the target 'loss' is no measure: ask for 'margin'"):
        find_poison(training, data, other_words, "dot", Choices(seed=0), without=without_trigger)
