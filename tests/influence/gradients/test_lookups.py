"""Gradients of an Embedding by its words: kept, spread, split, on any device; and as quick as matrix products are."""

import time

import pytest
import torch

from culpa.influence.gradients import Lookups, by_token
from culpa.influence.gradients.lookups import occurrences

VOCABULARY = 12


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def lookups(rows=8, positions=6, seed=0):
    """Word 0 fills up and takes no gradient, word 1 stands in every row, word 2 twice in row 0."""
    tokens = torch.randint(0, VOCABULARY, (rows, positions), generator=torch.Generator().manual_seed(seed))
    tokens[:, 0], tokens[0, 1:3] = 1, 2
    return Lookups(tokens, random(rows, positions, 3, seed=seed) * (tokens != 0)[:, :, None], VOCABULARY)


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def by_hand(words):
    """(rows, vocabulary, dimensions), entry by entry."""
    found = torch.zeros(len(words), VOCABULARY, words.errors.shape[2], dtype=torch.float64)
    for row, (tokens, errors) in enumerate(zip(words.tokens, words.errors, strict=True)):
        for token, error in zip(tokens, errors, strict=True):
            found[row, token] += error
    return found


def test_written_out_a_word_that_comes_twice_is_summed():
    same(lookups().written_out(), by_hand(lookups()).flatten(1))


@pytest.mark.parametrize("wide", [0, 1, 4, 10**9], ids=["by pairs", "where all have it", "a quarter", "by lines"])
def test_every_order_of_products_gives_the_same(wide, monkeypatch):
    monkeypatch.setattr(by_token, "WIDE", wide)
    one, other = lookups(), lookups(5, seed=1)
    same(one.dots(other), one.written_out() @ other.written_out().T)


@pytest.mark.parametrize("step", [0, 10**12], ids=["word by word", "all at once"])
def test_every_order_of_projections_gives_the_same(step, monkeypatch):
    monkeypatch.setattr(by_token, "STEP", step)
    words, directions = lookups(), random(4, 3 * VOCABULARY, seed=2)
    same(words.along(directions), words.written_out() @ directions.T)


def test_rows_without_any_word_take_no_part():
    empty = Lookups(torch.zeros(3, 4, dtype=torch.long), torch.zeros(3, 4, 3, dtype=torch.float64), VOCABULARY)
    assert empty.dots(lookups()).shape == (3, 8)
    assert not empty.dots(lookups()).any()
    assert not empty.squares().any()


def test_places_add_up_to_the_product_with_a_direction():
    words, direction = lookups(), random(3 * VOCABULARY, seed=2)
    same(words.by_position(direction).sum(1), words.written_out() @ direction)


def test_spreading_multiplies_the_gradients_by_the_matrix_of_shares():
    tokens = torch.stack([torch.arange(VOCABULARY), torch.arange(VOCABULARY).roll(3)], dim=1)
    shares = random(VOCABULARY, 2, seed=3)
    matrix = torch.zeros(VOCABULARY, VOCABULARY, dtype=torch.float64)
    matrix[torch.arange(VOCABULARY)[:, None], tokens] = shares
    same(
        lookups().spread(tokens, shares).written_out(),
        torch.einsum("nwd,wu->nud", by_hand(lookups()), matrix).flatten(1),
    )


def test_each_word_of_a_row_comes_first_once():
    together, first = occurrences(torch.tensor([[5, 7, 5, 5]]))
    assert together[0].int().tolist() == [[1, 0, 1, 1], [0, 1, 0, 0], [1, 0, 1, 1], [1, 0, 1, 1]]
    assert first[0].tolist() == [True, True, False, False]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_words_stay_on_their_device():
    there = Lookups(lookups().tokens.cuda(), lookups().errors.cuda(), VOCABULARY)
    here, direction = lookups(), random(2, 3 * VOCABULARY, seed=2)
    for found, expected in [
        (there.dots(there), here.dots(here)),
        (there.squares(), here.squares()),
        (there.along(direction.cuda()), here.along(direction)),
        (there.weighed(torch.ones(1, 8)), here.weighed(torch.ones(1, 8))),
        (there.strongest(2).written_out(), here.strongest(2).written_out()),
    ]:
        assert found.is_cuda
        same(found.cpu(), expected)


def test_no_value_leaves_for_numpy(monkeypatch):
    """What breaks silently or loudly on other devices: a tensor on its way through numpy."""
    for name in ("numpy", "__array__"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_: pytest.fail("a tensor left its device"))
    words, weights = lookups(), torch.ones(1, 8, dtype=torch.float64)
    words.dots(words), words.squares(), words.weighed(weights), words.along(words.weighed(weights))
    words.written_out(), words.summed_squares(), words.weighed_squares(words.weighed(weights)[0]), words.strongest(2)


def test_meeting_by_words_is_quicker_than_writing_the_gradients_out():
    chance = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 500, (800, 12), generator=chance)
    tokens[:, 0] = 1
    words, few = (Lookups(some, torch.randn(*some.shape, 32, generator=chance), 500) for some in (tokens, tokens[:200]))

    def seconds(work):
        start = time.process_time()
        work()
        return time.process_time() - start

    written = min(seconds(lambda: words.written_out() @ few.written_out().T) for _ in range(3))
    assert min(seconds(lambda: words.dots(few)) for _ in range(3)) < written
