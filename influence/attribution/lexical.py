"""Weights against words: rows that tie a word to a label with which, on the reference rows, it has nothing to do.

A word is biased where the training rows that hold it have other labels than the reference rows that hold it, beyond
chance. The weights are those nearest to 1, in [0, 1], under which both have the same labels: they make
    sum over biased words f and labels c of r_fc^2 + PULL * sum over rows of (w_i - 1)^2
least, r_fc = sum over rows with f of w_i (1[label of i is c] - share of c among reference rows with f) / sqrt(rows with
f). Source: Serrano, Dodge & Smith 2023 (arXiv 2306.02190), who hold that no single word should tell the label; that the
reference rows say what a word tells is ours. Their own finding is the caveat: a model can keep a bias that its data no
longer have, in words that go together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Training

__all__ = ["biased_words", "weights_against_words"]

CLEAR = 4.0  # standard errors between a word's labels here and there
BELIEF = 5.0  # reference rows' worth of trust that a word has the labels of all rows
PULL = 0.01
STEPS = 500


def weights_against_words(
    training: Training, reference: Batch, *, words: Sequence[int] | None = None, padding: int = 0
) -> Tensor:
    """Weight of each row, (rows,) in [0, 1]; all are 1 where no word is biased.

    Rows are tokens, (rows, positions), `padding` is no word; `words` are those that tell too much, by default
    `biased_words`. Errors: ValueError for rows that are no tokens.
    """
    chosen = biased_words(training, reference, padding=padding) if words is None else torch.as_tensor(list(words))
    tokens, labels = training.data[0], training.data[-1]
    if not len(chosen):
        return torch.ones(len(tokens), device=tokens.device)
    there = _counts(reference, *_sizes(training.data, reference))[chosen]
    usual = torch.bincount(reference[-1], minlength=there.shape[1]).cpu() / len(reference[-1])
    shares = (there + BELIEF * usual) / (there.sum(1, keepdim=True) + BELIEF)
    holds = torch.stack([(tokens == word).any(1) for word in chosen.to(tokens)], dim=1)
    own = torch.nn.functional.one_hot(labels, there.shape[1])
    return _Balance.of(holds.double(), own.double(), shares).nearest().float()


def biased_words(training: Training, reference: Batch, *, padding: int = 0) -> Tensor:
    """Tokens whose labels in the training are not those among the reference rows, (words,), in rising order.

    Source: the test of two proportions, each word and label on its own.
    """
    sizes = _sizes(training.data, reference)
    here, there = (_counts(data, *sizes) for data in (training.data, reference))
    rows, others = here.sum(1, keepdim=True), there.sum(1, keepdim=True)
    both = (here + there) / (rows + others).clip(1)
    error = (both * (1 - both) * (1 / rows.clip(1) + 1 / others.clip(1))).sqrt()
    apart = (here / rows.clip(1) - there / others.clip(1)).abs() / error.clip(1e-12)
    clear = (apart > CLEAR).any(1) & (rows > 0)[:, 0] & (others > 0)[:, 0]
    clear[padding] = False
    return clear.nonzero().flatten()


def _sizes(*sets: Batch) -> tuple[int, int]:
    """How many tokens and labels there are."""
    if any(data[0].is_floating_point() or data[0].ndim != 2 for data in sets):
        shapes = ", ".join(f"{tuple(data[0].shape)} of {data[0].dtype}" for data in sets)
        raise ValueError(f"features {shapes} came, needed tokens, (rows, positions) of integers: numbers hold no words")
    return max(int(data[0].max()) for data in sets) + 1, max(int(data[-1].max()) for data in sets) + 1


def _counts(data: Batch, tokens: int, labels: int) -> Tensor:
    """Rows that hold a token and have a label, (tokens, labels)."""
    rows = torch.arange(len(data[0]), device=data[0].device)
    held = torch.unique(rows[:, None] * tokens + data[0])  # a token counts once in a row
    pairs = held % tokens * labels + data[-1][held // tokens]
    return torch.bincount(pairs, minlength=tokens * labels).reshape(tokens, labels).double().cpu()


@dataclass(frozen=True)
class _Balance:
    """The least-squares problem r = A w, A kept in its factors: who holds what, and which label is whose."""

    holds: Tensor  # (rows, words), each word's column over the root of its rows
    labels: Tensor  # (rows, labels), 1 for a row's own
    shares: Tensor  # (words, labels)

    @classmethod
    def of(cls, holds: Tensor, labels: Tensor, shares: Tensor) -> "_Balance":
        """From columns of 0 and 1."""
        return cls(holds / holds.sum(0).clip(1).sqrt(), labels, shares.to(holds))

    def times(self, weights: Tensor) -> Tensor:
        """A w: (rows,) to (words, labels)."""
        weighed = weights[:, None] * self.holds
        return weighed.T @ self.labels - weighed.sum(0)[:, None] * self.shares

    def back(self, residuals: Tensor) -> Tensor:
        """A' r: (words, labels) to (rows,)."""
        return ((self.holds @ residuals) * self.labels).sum(1) - self.holds @ (residuals * self.shares).sum(1)

    def nearest(self) -> Tensor:
        """The weights, (rows,), by accelerated projected gradients. Source: Beck & Teboulle 2009."""
        weights = ahead = torch.ones(len(self.holds), dtype=self.holds.dtype, device=self.holds.device)
        steepest, momentum = self._steepest() + PULL, 1.0
        for _ in range(STEPS):
            slope = self.back(self.times(ahead)) + PULL * (ahead - 1)
            before, weights = weights, (ahead - slope / steepest).clip(0, 1)
            momentum, last = (1 + (1 + 4 * momentum**2) ** 0.5) / 2, momentum
            ahead = weights + (last - 1) / momentum * (weights - before)
        return weights

    def _steepest(self) -> float:
        """The largest eigenvalue of A'A by power steps, and a tenth more."""
        along = self.back(self.times(torch.linspace(1, 2, len(self.holds)).to(self.holds)))
        for _ in range(30):
            along = self.back(self.times(along / along.norm().clip(1e-300)))
        return 1.1 * float(along.norm())
