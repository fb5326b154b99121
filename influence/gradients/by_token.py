"""Gradients of an Embedding sorted by token: all rows that have a token are one small matrix."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["ByToken", "by_token"]

WIDE = 4  # a token that a row in so many has is worth a product with all rows: adding whole lines is that much faster
STEP = 10_000  # multiplications that cost as much as one turn of a loop over tokens


@dataclass(frozen=True)
class ByToken:
    """The tokens of each row once each, those that take no gradient left out."""

    count: int  # of rows
    rows: Tensor  # (entries,) ascending within a token
    tokens: Tensor  # (entries,) ascending
    errors: Tensor  # (entries, dimensions), summed over the places of the token in the row

    def dots(self, others: "ByToken") -> Tensor:
        """Products of all pairs of rows, (rows, other rows): one matrix product for each token that both sides have."""
        found = self.errors.new_zeros(self.count, others.count)
        for token, mine in self._spans.items():
            if token not in others._spans:
                continue
            columns, theirs = others._of(others._spans[token])
            product = self.errors[mine] @ theirs.T
            if columns is None:
                found.index_add_(0, self.rows[mine], product)
            else:
                found[self.rows[mine][:, None], columns] += product
        return found

    def along(self, directions: Tensor) -> Tensor:
        """Products with written-out directions: (directions, tokens, dimensions) to (rows, directions)."""
        found = self.errors.new_zeros(self.count, len(directions))
        if len(directions) * self.errors.numel() < STEP * len(self._spans):
            products = (directions[:, self.tokens] * self.errors).sum(2)
            return found.index_add_(0, self.rows, products.T.contiguous())
        for token, mine in self._spans.items():
            found.index_add_(0, self.rows[mine], self.errors[mine] @ directions[:, token].T)
        return found

    def by_row(self, values: Tensor) -> Tensor:
        """Sums over each row's entries: (entries,) to (rows,)."""
        return values.new_zeros(self.count).index_add_(0, self.rows, values)

    def by_word(self, values: Tensor, vocabulary: int) -> Tensor:
        """Sums over each token's entries: (entries, dimensions) to (vocabulary, dimensions)."""
        return values.new_zeros(vocabulary, values.shape[1]).index_add_(0, self.tokens, values)

    @cached_property
    def _spans(self) -> dict[int, slice]:
        """Where each token's entries are."""
        tokens, counts = self.tokens.unique_consecutive(return_counts=True)  # type: ignore[no-untyped-call]
        ends = counts.cumsum(0)
        return {token: slice(*ends) for token, ends in _pairs(tokens, ends - counts, ends)}

    def _of(self, span: slice) -> tuple[Tensor | None, Tensor]:
        """Rows that have a token and their errors there; None and all rows' errors where many have it."""
        rows, errors = self.rows[span], self.errors[span]
        if len(rows) * WIDE < self.count:
            return rows, errors
        return None, errors.new_zeros(self.count, errors.shape[1]).index_copy_(0, rows, errors)


def by_token(tokens: Tensor, errors: Tensor) -> ByToken:
    """(rows, positions) and (rows, positions, dimensions), sorted; a token that comes twice in a row is summed."""
    rows = len(tokens)
    live = errors.any(2)
    key = tokens * rows + torch.arange(rows, device=tokens.device)[:, None]
    places, entry = key[live].unique(return_inverse=True)  # type: ignore[no-untyped-call]
    summed = errors.new_zeros(len(places), errors.shape[2]).index_add_(0, entry, errors[live])
    return ByToken(rows, places % max(rows, 1), places // max(rows, 1), summed)


def _pairs(tokens: Tensor, starts: Tensor, ends: Tensor) -> Iterator[tuple[int, tuple[int, int]]]:
    return zip(tokens.tolist(), zip(starts.tolist(), ends.tolist(), strict=True), strict=True)
