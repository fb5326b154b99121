"""Words that mean nearly the same meet as if they were one: the soft form of common words in TracIn-WE.

Each word stands, besides for itself, for the words nearest to it in the embedding table: T[w, u] is their cosine, where
u is among the nearest and the cosine is no less than `least`, and every line of T is scaled to length one. Words w and
w' then meet with the weight (T T')[w, w']: 1 for a word with itself, near 1 for two words of the same neighbourhood, 0
for words without a common neighbour. Being a square it leaves self-influence without a sign to lose. With one
neighbour, the word itself, it is TracIn-WE.
Source: Yeh et al. 2022, section 4.3, which pairs words by cosine one to one; the soft weights are ours. They are as
good as the table: words seen a few times lie where chance put them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from culpa.influence.gradients import Lookups

__all__ = ["MOST", "Synonyms", "nearest_words"]

MOST, LEAST = 5, 0.5  # words each word stands for, and the cosine they must have
BLOCK = 2_048  # words compared at once with all


@dataclass(frozen=True)
class Synonyms:
    """The words that each word stands for, itself the first."""

    tokens: Tensor  # (vocabulary, most) integers
    shares: Tensor  # (vocabulary, most), each line of length one

    @property
    def most(self) -> int:
        """Words that each word stands for."""
        return self.tokens.shape[1]

    def __call__(self, words: Lookups) -> Lookups:
        """Gradients whose products are those of the soft match."""
        return words.spread(self.tokens, self.shares)


def nearest_words(table: Tensor, *, most: int = MOST, least: float = LEAST) -> Synonyms:
    """The nearest words of each by their cosine in an embedding table, (vocabulary, dimensions)."""
    if not 1 <= most <= len(table) or not 0 < least <= 1:
        raise ValueError(
            f"most={most}, least={least} came for {len(table)} words: needed 1 to {len(table)} words, the word itself "
            "among them, of a cosine above 0 and at most 1"
        )
    unit = torch.nn.functional.normalize(table.detach(), dim=1)
    blocks = [_nearest(unit, start, most) for start in range(0, len(unit), BLOCK)]
    cosines, tokens = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    return Synonyms(tokens, torch.nn.functional.normalize(cosines * (cosines >= least), dim=1))


def _nearest(unit: Tensor, start: int, most: int) -> tuple[Tensor, Tensor]:
    """Cosines and tokens of the nearest words of a block of words, each word itself first."""
    cosines = unit[start : start + BLOCK] @ unit.T
    own = torch.arange(len(cosines), device=unit.device)
    cosines[own, own + start] = torch.inf
    values, tokens = cosines.topk(most, dim=1)
    values[:, 0] = 1.0
    return values, tokens
