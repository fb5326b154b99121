"""TrackStar: the formula written out, planted facts retrieved, and little lost by projecting."""

import pytest
import torch
from torch import nn

from culpa.influence.attribution import Choices, attribute
from culpa.influence.attribution.trackstar import LEAST_SHARE, corrections, trackstar
from culpa.influence.gradients import capture
from culpa.influence.network import Recipe, train
from tests.influence.gradients.small_models import MODELS, losses_of, small_model
from tests.influence.network.small_trainings import DATA, small_training

SUBJECTS, WORDS, LABELS = 30, 60, 4
EVERY_AXIS = {"widths": (99, 99), "sketch": WORDS * 16}


class Reader(nn.Module):
    """Embedding, mean of the words, two layers."""

    def __init__(self):
        super().__init__()
        self.embedding, self.hidden, self.last = nn.Embedding(WORDS, 16), nn.Linear(16, 16), nn.Linear(16, LABELS)

    def forward(self, tokens):
        return self.last(torch.relu(self.hidden(self.embedding(tokens).mean(1))))


def facts(rows, seed):
    """Sentences of a subject and five words that say nothing; each subject has one label: tokens, labels."""
    chance = torch.Generator().manual_seed(seed)
    tokens = torch.randint(SUBJECTS, WORDS, (rows, 6), generator=chance)
    tokens[:, 0] = torch.randint(SUBJECTS, (rows,), generator=chance)
    return tokens, torch.randint(LABELS, (SUBJECTS,), generator=torch.Generator().manual_seed(9))[tokens[:, 0]]


@pytest.fixture(scope="module")
def learnt():
    """A network that knows its facts, questions, and which training rows state the fact that each asks for."""
    data, questions = facts(300, seed=0), facts(60, seed=1)
    training = train(Recipe(Reader, rate=0.01, epochs=50, batch_size=30, optimizer="adam"), data, seed=0)
    assert training.losses(questions).mean() < 0.02
    return training, questions, data[0][:, :1] == questions[0][:, 0]


def evidence_share(scores, evidence, top=3):
    """How many of the highest rows state the fact, over all questions; each fact is stated three times at least."""
    return float(evidence.gather(0, scores.topk(top, dim=0).indices).float().mean())


def overlap(one, other, top=10):
    """Share of the highest rows that both have, over all questions."""
    chosen = [torch.zeros_like(scores).scatter_(0, scores.topk(top, dim=0).indices, 1.0) for scores in (one, other)]
    return float((chosen[0] * chosen[1]).sum() / (top * one.shape[1]))


def root_of_factors(written, module, name):
    """sqrt(V), (parameters,): V from the sums of rows and columns where a layer's weights are a matrix."""
    squares = written.square().mean(0)
    raised = squares + LEAST_SHARE * squares.mean()
    weight = module.get_submodule(name).weight
    if weight.ndim < 2:
        return raised.sqrt()
    grid = raised.reshape(len(weight), -1)
    return (grid.sum(1, keepdim=True) * grid.sum(0) / grid.sum()).sqrt().flatten()


@pytest.mark.parametrize("kind", ["network", "words"])
def test_with_every_axis_it_is_the_formula_written_out(kind):
    training, reference = small_training(kind), DATA[kind](9, seed=1)
    found = trackstar(training, Choices(seed=0, damping=0.1), mixing=0.3, **EVERY_AXIS)

    def written_out(batch):
        layers = capture(training.module, training.recipe.objective.losses, batch).layers
        return {name: layer.written_out().double() for name, layer in layers.items()}

    roots = {
        name: root_of_factors(written, training.module, name) for name, written in written_out(training.data).items()
    }

    def corrected(batch):
        return torch.cat([written / roots[name] for name, written in written_out(batch).items()], dim=1)

    here, there = corrected(training.data), corrected(reference)
    mixed = 0.3 * there.T @ there / 9 + 0.7 * here.T @ here / 60 + 0.1 * torch.eye(here.shape[1])
    values, axes = torch.linalg.eigh(mixed)
    half = axes @ torch.diag(values**-0.5) @ axes.T
    here, there = (nn.functional.normalize(part @ half, dim=1) for part in (here, there))
    torch.testing.assert_close(found.between(reference).double(), here @ there.T, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_correction_divides_the_factors_as_the_gradients_written_out(name):
    model, batch = small_model(name)
    layers = capture(model, losses_of, batch).layers
    for layer, correction in corrections([layers]).items():
        written = layers[layer].written_out()
        expected = written / root_of_factors(written, model, layer)
        torch.testing.assert_close(correction(layers[layer]).written_out(), expected, rtol=1e-5, atol=1e-6)


def test_planted_facts_are_retrieved_where_products_of_gradients_miss_them(learnt):
    training, questions, evidence = learnt
    found = {name: attribute(training, name, Choices(seed=0)).between(questions) for name in ("trackstar", "dot")}
    assert evidence_share(found["trackstar"], evidence) > 0.75
    assert evidence_share(found["dot"], evidence) < 0.3


def test_the_questions_share_in_r_sharpens_the_answers(learnt):
    training, questions, evidence = learnt
    none, most = (trackstar(training, Choices(seed=0), mixing=mixing).between(questions) for mixing in (0.0, 0.9))
    assert evidence_share(most, evidence) > evidence_share(none, evidence) + 0.1


def test_a_fourth_of_the_axes_finds_most_of_what_all_find(learnt):
    training, questions, _ = learnt
    every = trackstar(training, Choices(seed=0), **EVERY_AXIS).between(questions)
    few = trackstar(training, Choices(seed=0)).between(questions)
    fewer = trackstar(training, Choices(seed=0), widths=(2, 2), sketch=16).between(questions)
    assert overlap(few, every) > 0.75 > overlap(fewer, every)


def test_a_row_finds_itself_first_and_no_score_is_above_one(learnt):
    training, _, _ = learnt
    found = trackstar(training, Choices(seed=0)).between([part[:20] for part in training.data])
    assert float(found.max()) < 1 + 1e-5
    torch.testing.assert_close(found[:20].diagonal(), torch.ones(20))
    assert torch.equal(trackstar(training, Choices(seed=0)).own(), torch.ones(300))


def test_a_share_above_one_is_refused():
    with pytest.raises(ValueError, match=r"mixing must be from 0 to 1, got 1.5"):
        trackstar(small_training("network"), Choices(seed=0), mixing=1.5)
