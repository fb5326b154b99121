"""Gradients of an Embedding: each row touches its own tokens only, so two rows meet only in the tokens they share.

<g_i, g_j> = sum over tokens in both of the tokens' summed errors. The gradients are sparse rows over (token, dimension)
and their products sparse products: nothing is as wide as the vocabulary. Source: Yeh et al. 2022, section 4.
"""

from dataclasses import dataclass, replace

import torch
from scipy.sparse import csr_array
from torch import Tensor

__all__ = ["Lookups"]


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
        return self._tensor((self._sparse() @ others._sparse().T).toarray())

    def squares(self) -> Tensor:
        """<g_i, g_i>, (rows,)."""
        sparse = self._sparse()
        return self._tensor(sparse.multiply(sparse).sum(axis=1))

    def weighed(self, weights: Tensor) -> Tensor:
        """Weighted sums of gradients: (sums, rows) to (sums, parameters)."""
        return self._tensor((self._sparse().T @ weights.detach().cpu().numpy().T).T)

    def along(self, directions: Tensor) -> Tensor:
        """<g_i, d>: (directions, parameters) to (rows, directions)."""
        return self._tensor(self._sparse() @ directions.detach().cpu().numpy().T)

    def written_out(self) -> Tensor:
        """(rows, parameters)."""
        return self._tensor(self._sparse().toarray())

    def summed_squares(self) -> Tensor:
        """Sum over rows of the squared gradients, (parameters,), in double precision."""
        sparse = self._sparse().astype("f8")
        return torch.as_tensor(sparse.multiply(sparse).sum(axis=0), device=self.errors.device)

    def weighed_squares(self, weights: Tensor) -> Tensor:
        """Sum over parameters of weight times squared gradient: (parameters,) to (rows,)."""
        sparse = self._sparse()
        return self._tensor(sparse.multiply(sparse) @ weights.detach().cpu().numpy())

    def strongest(self, count: int) -> "Lookups":
        """The same with only each row's `count` tokens of largest gradient, the others' errors nought."""
        same = self.tokens[:, :, None] == self.tokens[:, None, :]  # (rows, positions, positions)
        sizes = (same.to(self.errors.dtype) @ self.errors).norm(dim=2)  # of the token at each position, all its places
        first = ~same.tril(-1).any(2)  # each token counts once
        limit = torch.where(first, sizes, -1.0).topk(min(count, sizes.shape[1]), dim=1).values[:, -1:]
        return replace(self, errors=self.errors * (sizes >= limit)[:, :, None])

    def dots_by_token(self, others: "Lookups") -> dict[int, Tensor]:
        """What each token that rows of both sides share adds to `dots`: token -> (rows, other rows)."""
        shared = set(self.tokens.flatten().tolist()) & set(others.tokens.flatten().tolist())
        return {token: self._of(token) @ others._of(token).T for token in sorted(shared)}

    def _of(self, token: int) -> Tensor:
        """Each row's gradient at one token, (rows, dimensions)."""
        return (self.errors * (self.tokens == token)[:, :, None]).sum(1)

    def _sparse(self) -> csr_array:
        """(rows, parameters), a token that comes twice in a row summed."""
        rows, positions, width = self.errors.shape
        places = self.tokens.cpu()[:, :, None] * width + torch.arange(width)
        ends = torch.arange(rows + 1) * (positions * width)
        values = self.errors.detach().cpu().flatten().numpy().copy()  # summing duplicates writes into it
        sparse = csr_array((values, places.flatten().numpy(), ends.numpy()), shape=(rows, self.parameters))
        sparse.sum_duplicates()
        return sparse

    def _tensor(self, values: object) -> Tensor:
        return torch.as_tensor(values, dtype=self.errors.dtype, device=self.errors.device)
