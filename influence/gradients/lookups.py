"""Gradients of an Embedding: each row touches its own tokens only, so two rows meet only in the tokens they share.

<g_i, g_j> = sum over tokens in both of the tokens' summed errors. Sorted by token (`by_token`), a token is one matrix
product, and nothing is as wide as the vocabulary. Measured on one core, 10,000 x 500 rows of about 12 words (Zipf),
2,000 words, 64 numbers each: `dots` 0.24 s, of which sorting is 0.1; as products of sparse rows it had been 2.6.
Source: Yeh et al. 2022, section 4.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from culpa.influence.gradients.by_token import ByToken, by_token

__all__ = ["Lookups", "occurrences"]


@dataclass(frozen=True)
class Lookups:
    """Gradients (vocabulary, dimensions) of each row."""

    tokens: Tensor  # (rows, positions) integers
    errors: Tensor  # (rows, positions, dimensions); nought where a token takes no gradient
    vocabulary: int

    @property
    def parameters(self) -> int:
        """Length of a gradient."""
        return self.vocabulary * self.errors.shape[2]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.tokens)

    def dots(self, others: "Lookups") -> Tensor:
        """<g_i, g_j> of all pairs, (rows, other rows)."""
        return self._sorted.dots(others._sorted)

    def squares(self) -> Tensor:
        """<g_i, g_i>, (rows,)."""
        return self._sorted.by_row(self._sorted.errors.square().sum(1))

    def weighed(self, weights: Tensor) -> Tensor:
        """Weighted sums of gradients: (sums, rows) to (sums, parameters)."""
        entries, weights = self._sorted, weights.to(self.errors)
        sums = [entries.by_word(entries.errors * one[entries.rows, None], self.vocabulary) for one in weights]
        return torch.stack(sums).flatten(1)

    def along(self, directions: Tensor) -> Tensor:
        """<g_i, d>: (directions, parameters) to (rows, directions)."""
        return self._sorted.along(directions.to(self.errors).reshape(len(directions), self.vocabulary, -1))

    def written_out(self) -> Tensor:
        """(rows, parameters)."""
        entries = self._sorted
        found = self.errors.new_zeros(len(self), self.vocabulary, self.errors.shape[2])
        found[entries.rows, entries.tokens] = entries.errors
        return found.flatten(1)

    def summed_squares(self) -> Tensor:
        """Sum over rows of the squared gradients, (parameters,), in double precision."""
        return self._sorted.by_word(self._sorted.errors.double().square(), self.vocabulary).flatten()

    def weighed_squares(self, weights: Tensor) -> Tensor:
        """Sum over parameters of weight times squared gradient: (parameters,) to (rows,)."""
        entries = self._sorted
        own = weights.to(self.errors).reshape(self.vocabulary, -1)[entries.tokens]
        return entries.by_row((entries.errors.square() * own).sum(1))

    def strongest(self, count: int) -> "Lookups":
        """The same with only each row's `count` tokens of largest gradient, the others' errors nought."""
        same, first = occurrences(self.tokens)
        sizes = (same.to(self.errors.dtype) @ self.errors).norm(dim=2)  # of the token at each position, all its places
        limit = torch.where(first, sizes, -1.0).topk(min(count, sizes.shape[1]), dim=1).values[:, -1:]
        return replace(self, errors=self.errors * (sizes >= limit)[:, :, None])

    def spread(self, tokens: Tensor, shares: Tensor) -> "Lookups":
        """Each token's error shared out over others, its own synonyms: (vocabulary, neighbours) integers and shares."""
        errors = self.errors[:, :, None] * shares.to(self.errors)[self.tokens][:, :, :, None]
        return replace(self, tokens=tokens[self.tokens].flatten(1), errors=errors.flatten(1, 2))

    def by_position(self, direction: Tensor) -> Tensor:
        """What each place of a row adds to <g_i, d>: (parameters,) to (rows, positions)."""
        return (self.errors * direction.to(self.errors).reshape(self.vocabulary, -1)[self.tokens]).sum(2)

    @cached_property
    def _sorted(self) -> ByToken:
        return by_token(self.tokens, self.errors)


def occurrences(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Which places of a row have the same token, (rows, positions, positions), and where each comes first."""
    same = tokens[:, :, None] == tokens[:, None, :]
    return same, ~same.tril(-1).any(2)
