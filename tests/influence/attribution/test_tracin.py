"""TracIn against autograd at every checkpoint; its words, its strongest words, and a planted word found again."""

import pytest
import torch
from torch import nn

from culpa.influence.attribution.tracin import TracIn
from culpa.influence.gradients import Classification, Lookups, capture
from culpa.influence.network import Checkpoint
from tests.influence.gradients.small_models import by_autograd, losses_of, small_model


def copy(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.fixture(params=["network", "images", "words", "signals"])
def case(request):
    """A model, a batch, and two checkpoints of it."""
    model, batch = small_model(request.param)
    first = copy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model, batch, [Checkpoint(first, 0.5), Checkpoint(copy(model), 0.1)]


def expected_scores(model, batch, checkpoints):
    layers = [name for name, part in model.named_modules() if list(part.parameters(recurse=False))]
    before, total = copy(model), 0
    for checkpoint in checkpoints:
        model.load_state_dict(checkpoint.state)
        gradients = torch.cat([by_autograd(model, batch, layer) for layer in layers], dim=1)
        total = total + checkpoint.rate * gradients @ gradients.T
    model.load_state_dict(before)
    return total


def test_scores_are_sums_of_rates_times_products_of_gradients(case):
    model, batch, checkpoints = case
    expected = expected_scores(model, batch, checkpoints)
    found = TracIn(model, Classification(), checkpoints)
    halves = [[part[:3] for part in batch], [part[3:] for part in batch]]
    torch.testing.assert_close(found.between(halves, [batch]), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.between([batch], halves), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.own(halves), expected.diagonal(), rtol=0, atol=1e-10)


def test_the_module_is_afterwards_what_it_was(case):
    model, batch, checkpoints = case
    before, modes = copy(model), [part.training for part in model.modules()]
    TracIn(model, Classification(), checkpoints).between([batch], [batch])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [part.training for part in model.modules()] == modes


def test_words_add_up_to_the_score_on_the_embedding(case):
    model, batch, checkpoints = case
    if not hasattr(model, "embedding"):
        pytest.skip("it has no words")
    found = TracIn(model, Classification(), checkpoints, layers=["embedding"])
    row, reference = [part[:1] for part in batch], [part[1:] for part in batch]
    tokens, places = found.words([row], [reference], "embedding")
    torch.testing.assert_close(tokens, row[0])
    torch.testing.assert_close(places.sum(1), found.on_mean([row], [reference]), rtol=0, atol=1e-10)


def test_words_of_another_layer_are_refused(case):
    model, batch, checkpoints = case
    last = list(model.named_modules())[-1][0]
    with pytest.raises(ValueError, match="is no Embedding, so its gradient has no words"):
        TracIn(model, Classification(), checkpoints).words([batch], [batch], last)


def test_the_strongest_words_are_those_of_largest_gradient():
    tokens = torch.tensor([[1, 2, 1, 3], [4, 4, 5, 5]])
    errors = torch.tensor([[[2.0], [3.0], [2.0], [1.0]], [[1.0], [-1.0], [0.5], [0.0]]])
    found = Lookups(tokens, errors, 6)
    one, two = (found.strongest(count).written_out() for count in (1, 2))
    torch.testing.assert_close(one, torch.tensor([[0, 4.0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0.5]]))
    torch.testing.assert_close(two, torch.tensor([[0, 4.0, 3, 0, 0, 0], [0, 0, 0, 0, 0, 0.5]]))
    torch.testing.assert_close(found.strongest(9).written_out(), found.written_out())


def test_with_all_words_kept_the_scores_are_the_same():
    model, batch = small_model("words")
    checkpoints = [Checkpoint(copy(model), 1.0)]
    every, kept = (TracIn(model, Classification(), checkpoints, top_words=count) for count in (None, 9))
    torch.testing.assert_close(kept.between([batch], [batch]), every.between([batch], [batch]), rtol=0, atol=1e-12)
    few = TracIn(model, Classification(), checkpoints, layers=["embedding"], top_words=1)
    assert few.own([batch]).sum() < every.own([batch]).sum()


class Sentences(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.last = nn.Embedding(30, 8), nn.Linear(8, 2)

    def forward(self, tokens):
        return self.last(self.embedding(tokens).mean(1))


def test_a_word_planted_with_a_label_is_the_word_to_blame():
    """Word 29 stands in rows of label 1 alone; every other word says nothing."""
    chance = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    tokens, labels = torch.randint(0, 29, (200, 6), generator=chance), torch.randint(0, 2, (200,), generator=chance)
    planted = torch.rand(200, generator=chance) < 0.3
    tokens[planted, 0], labels[planted] = 29, 1
    model, checkpoints = Sentences(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for epoch in range(60):
        optimizer.zero_grad()
        losses_of(model, (tokens, labels)).mean().backward()
        optimizer.step()
        if epoch % 20 == 19:
            checkpoints.append(Checkpoint(copy(model), 0.5))
    found = TracIn(model, Classification(), checkpoints, layers=["embedding"])
    row, others = planted.nonzero()[0, 0], planted.nonzero()[1:, 0]
    one, reference = (tokens[row : row + 1], labels[row : row + 1]), (tokens[others], labels[others])
    here, places = found.words([one], [reference], "embedding")
    assert here[0, places[0].argmax()] == 29
    scores = found.between([(tokens, labels)], [(tokens[others], labels[others])]).mean(1)
    assert scores[planted].mean() > 3 * scores[~planted].mean().abs()


def test_tracin_at_one_checkpoint_is_influence_without_curvature():
    model, batch = small_model("network")
    found = TracIn(model, Classification(), [Checkpoint(copy(model), 1.0)]).between([batch], [batch])
    captured = capture(model, losses_of, batch)
    expected = sum(layer.dots(layer) for layer in captured.layers.values())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_training_without_moments_or_rates_is_refused():
    model, _ = small_model("network")
    with pytest.raises(ValueError, match=r"no checkpoint came.*keep the model's state_dict"):
        TracIn(model, Classification(), [])
    with pytest.raises(ValueError, match=r"learning rates must be positive, got \[0.0\]"):
        TracIn(model, Classification(), [Checkpoint({}, 0.0)])
