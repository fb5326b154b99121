"""Laws of gradients in factors, over every form: products of the factors are products of what they stand for."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from culpa.influence.gradients import Lookups, Outer, Written, in_order, outer


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def tokens(rows, positions, seed):
    return torch.randint(0, 6, (rows, positions), generator=torch.Generator().manual_seed(seed))


def make_outer(positions, inner, out):
    return lambda rows, seed: Outer(random(rows, positions, inner, seed=seed), random(rows, positions, out, seed=-seed))


FORMS = {
    "one position": make_outer(1, 5, 4),
    "few positions, large layer": make_outer(2, 30, 20),
    "many positions, small layer": make_outer(40, 3, 2),
    "written": lambda rows, seed: Written(random(rows, 8, seed=seed)),
    "lookups": lambda rows, seed: Lookups(tokens(rows, 7, seed), random(rows, 7, 3, seed=seed), 6),
    "lookups, few words in common": lambda rows, seed: Lookups(
        torch.randint(0, 400, (rows, 7), generator=torch.Generator().manual_seed(seed)),
        random(rows, 7, 3, seed=seed),
        400,
    ),
}


@pytest.fixture(params=FORMS)
def make(request):
    return FORMS[request.param]


@pytest.fixture(params=[outer.MOST_ENTRIES, 64], ids=["one block", "many blocks"])
def _blocks(request, monkeypatch):
    monkeypatch.setattr(outer, "MOST_ENTRIES", request.param)


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.usefixtures("_blocks")
def test_dots_are_products_of_the_gradients(make):
    one, other = make(9, 1), make(4, 2)
    same(one.dots(other), one.written_out() @ other.written_out().T)


@pytest.mark.usefixtures("_blocks")
def test_squares_are_the_diagonal_of_dots(make):
    gradients = make(9, 1)
    same(gradients.squares(), gradients.dots(gradients).diagonal())
    assert (gradients.squares() >= 0).all()


@pytest.mark.usefixtures("_blocks")
def test_weighed_sums_and_projections_are_those_of_the_gradients(make):
    gradients = make(9, 1)
    weights, directions = random(3, 9, seed=5), random(2, gradients.parameters, seed=6)
    same(gradients.weighed(weights), weights @ gradients.written_out())
    same(gradients.along(directions), gradients.written_out() @ directions.T)
    many = random(50, gradients.parameters, seed=7)
    same(gradients.along(many), gradients.written_out() @ many.T)


def test_factors_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match=r"inputs \(3, 2, 4\) and errors \(3, 1, 4\) do not fit"):
        Outer(random(3, 2, 4), random(3, 1, 4))


def test_the_cheaper_order_of_products_is_taken(monkeypatch):
    few, many = make_outer(2, 30, 20)(9, 1), make_outer(40, 3, 2)(9, 1)
    monkeypatch.setattr(Outer, "_written", lambda *_: pytest.fail("gradients were written out"))
    few.dots(few)
    few.squares()
    monkeypatch.undo()
    monkeypatch.setattr(Outer, "_pairwise", lambda *_: pytest.fail("pairs of positions were multiplied"))
    monkeypatch.setattr(Outer, "_own_pairs", lambda *_: pytest.fail("pairs of positions were multiplied"))
    many.dots(many)
    many.squares()


def test_rows_come_in_the_order_given():
    features, labels = torch.arange(10.0)[:, None], torch.arange(10)
    for data in ((features, labels), DataLoader(TensorDataset(features, labels), batch_size=4)):
        found = [torch.cat(parts) for parts in zip(*in_order(data, 4), strict=True)]
        torch.testing.assert_close(found[0], features)
        torch.testing.assert_close(found[1], labels)


class Augmented(TensorDataset):
    def __getitem__(self, index):
        features, labels = super().__getitem__(index)
        return features + torch.rand(1), labels


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (lambda data: DataLoader(data, shuffle=True), "draws its rows by RandomSampler.*shuffle=False"),
        (lambda data: DataLoader(data, batch_size=4, drop_last=True), "drops the last rows"),
        (lambda data: DataLoader(Augmented(*data.tensors)), "it augments its rows: turn the random transforms off"),
        (lambda data: (data.tensors[0], data.tensors[1][:-1]), r"tensors of \[9, 10\] rows came"),
    ],
)
def test_loaders_whose_rows_cannot_be_joined_to_scores_are_refused(loader, message):
    data = TensorDataset(torch.zeros(10, 1), torch.zeros(10))
    with pytest.raises(ValueError, match=message):
        list(in_order(loader(data)))
