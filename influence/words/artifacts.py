"""Data artifacts: words whose presence goes with influence on a class of errors.

Take the reference rows that the network gets wrong in one way, and every training row's influence on them. If rows that
hold a word harm them more than rows of the same label that do not, the network has learnt the word in place of what the
label means. For word w, with n of the N rows of a label holding it,

    effect = sum over labels of weight * (mean influence with w - mean without) / sum of weights, weight = n (N - n) / N
    standard error^2 = sum over labels of weight * variance within the label / (sum of weights)^2

which is the spread of the effect when the word is dealt out anew within each label, so that a word that merely comes
with a label stands for nothing. Three things make chance look like a finding, and are taken out of z, from which p
(two-sided, normal) and q (Benjamini-Hochberg over all words tested) come:

* Influence has heavy tails, and a few loud rows would find their words (in 8 of 10 tables of lognormal noise): z is the
  same quotient, taken of the rows' ranks within their label.
* A network that has learnt its rows by heart makes a little of every word. An artifact is a word beyond that: z is
  divided by the spread of all words' z, 1.48 times their median distance from the median, where that is above 1.
* A row that is fitted closely moves nothing any more, whatever its words: pass influence relative to the rows' own
  (`attribution.relative`), through a curvature. Of 400 to 800 rows learnt by heart EK-FAC found a planted word first in
  9 of 9 tables, z = -8 to -12; TracIn-WE in 5, and plain influence gave it the wrong sign.

Source: Han et al. 2020, section 6 (means with and without an artifact); van Elteren 1960 (ranks within strata);
Efron 2004 (the spread of all z); Benjamini & Hochberg 1995. To compare within labels is our choice.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm, rankdata

__all__ = ["Artifacts", "find_artifacts"]

LEAST_ROWS = 10  # that hold a word, and that do not
LEAST_WORDS = 20  # that tell what most words do
NORMAL_SPREAD = 1.4826  # standard deviations in the median distance of normal numbers from their median

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Artifacts:
    """A table of words, those that are least likely to be chance first."""

    tokens: NDArray[np.int64]
    rows: NDArray[np.int64]  # that hold the word
    effect: Array  # influence of rows with the word less that of rows without, in its units; negative: the word harms
    standard_error: Array
    z: Array  # of the ranks, in spreads of all words: below nought the word harms
    q: Array  # expected share of chance among the words down to this one

    def __len__(self) -> int:
        """Count the words."""
        return len(self.tokens)

    def below(self, level: float) -> "Artifacts":
        """The words found at a rate of false discoveries."""
        return self._take(np.flatnonzero(self.q <= level))

    def _take(self, index: NDArray[np.int64]) -> "Artifacts":
        numbers = self.effect[index], self.standard_error[index], self.z[index], self.q[index]
        return Artifacts(self.tokens[index], self.rows[index], *numbers)


def find_artifacts(
    tokens: NDArray[np.integer], influence: Array, labels: NDArray[np.int64], *, least: int = LEAST_ROWS
) -> Artifacts:
    """Test every word that `least` rows or more hold and as many lack.

    `tokens` (rows, positions); `influence` (rows,), relative, on the reference rows with the error in question,
    positive helps; `labels` (rows,) codes.
    """
    if not len(tokens) == len(influence) == len(labels) or least < 2:
        raise ValueError(
            f"{len(tokens)} rows of tokens, {len(influence)} influences, {len(labels)} labels and least={least} came: "
            "needed one of each for every row, and 2 rows or more with a word"
        )
    held = _held(tokens, labels)
    rows = held.counts.sum(axis=0)
    tested = (rows >= least) & (len(tokens) - rows >= least) & (held.weights.sum(axis=0) > 0)
    effect, error = (part[tested] for part in _effects(held, influence))
    by_rank, its_error = (part[tested] for part in _effects(held, _ranks(influence, labels)))
    z = _beyond_most(np.divide(by_rank, its_error, out=np.zeros_like(by_rank), where=its_error > 0))
    q = false_discovery_control(2 * norm.sf(np.abs(z))) if len(z) else z
    found = Artifacts(held.words[tested], rows[tested].astype(np.int64), effect, error, z, q)
    return found._take(np.lexsort((found.tokens, -np.abs(z))))


@dataclass(frozen=True)
class _Held:
    """Who holds which word, each word once a row."""

    words: NDArray[np.int64]
    rows: NDArray[np.int64]  # (pairs,)
    word: NDArray[np.int64]  # (pairs,) its place in `words`
    labels: NDArray[np.int64]  # (rows,)
    sizes: NDArray[np.int64]  # (labels, 1)

    @property
    def counts(self) -> Array:
        """Rows of each label that hold each word, (labels, words)."""
        return self.sums(np.ones(len(self.labels)))

    @property
    def weights(self) -> Array:
        """(labels, words)."""
        counts = self.counts
        return counts * (self.sizes - counts) / np.maximum(self.sizes, 1)

    def sums(self, values: Array) -> Array:
        """Sums over the rows of each label that hold each word, (labels, words)."""
        shape = len(self.sizes), len(self.words)
        cells = self.labels[self.rows] * shape[1] + self.word
        return np.bincount(cells, values[self.rows], shape[0] * shape[1]).reshape(shape).astype(np.float64)


def _held(tokens: NDArray[np.integer], labels: NDArray[np.int64]) -> _Held:
    words, places = np.unique(tokens, return_inverse=True)
    pairs = np.unique(np.arange(len(tokens))[:, None] * len(words) + places.reshape(tokens.shape))
    return _Held(words.astype(np.int64), pairs // len(words), pairs % len(words), labels, np.bincount(labels)[:, None])


def _effects(held: _Held, values: Array) -> tuple[Array, Array]:
    """Effect of each word on the values of its rows, and its standard error, (words,) each."""
    sizes, labels, weights = held.sizes[:, 0], held.labels, held.weights
    means = np.bincount(labels, values) / np.maximum(sizes, 1)
    variances = np.bincount(labels, (values - means[labels]) ** 2) / np.maximum(sizes - 1, 1)
    total = weights.sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    summed = held.sums(values) - held.counts * means[:, None]  # weight * (mean with - mean without)
    return summed.sum(axis=0) / total, np.sqrt((weights * variances[:, None]).sum(axis=0)) / total


def _beyond_most(z: Array) -> Array:
    """z in units of the spread of all of them; as it is where that is narrow, or where there are few."""
    if len(z) < LEAST_WORDS:
        return z
    return z / max(1.0, NORMAL_SPREAD * float(np.median(np.abs(z - np.median(z)))))


def _ranks(values: Array, labels: NDArray[np.int64]) -> Array:
    """The place of each value among those of its label, from 0 to 1, ties shared."""
    found = np.empty(len(values))
    for label in np.unique(labels):
        own = labels == label
        found[own] = rankdata(values[own]) / (own.sum() + 1)
    return found
