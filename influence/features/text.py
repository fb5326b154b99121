"""Columns of text: TF-IDF of the words' character 2-4-grams, its leading singular directions, each row of length one.

Terms within words (`char_wb`), logarithmic counts, terms in two rows or more, at most 30,000 of them; min(300, 5
sqrt(rows)) directions; rows scaled to length 1, centred, and divided by one number such that the variances of a
column's K features add up to sqrt(K).

Measured: test accuracy of softmax regression (the best of two or three penalties) / 15 neighbours, trained on the
noisy labels as they come, 400 directions:

    terms                      Banking77 (77 intents)   Yoruba titles (7 topics, 33 % of the labels wrong)
    words, 1-2                 .873 / .777              .628 / .567
    words' characters, 2-4     .895 / .849              .612 / .641
    words' characters, 2-5     .893 / .838              .612 / .636
    words and characters       .900 / .850              .633 / .623, SVD 7 times slower
    characters, 2-4            -                        .599 / .633

200 and 300 directions: .883, .892 (Banking77, softmax); 50 to 400: .631, .639, .615, .612 (Yoruba), hence the square
root. Length 1 against raw directions: .628 against .586 (15 neighbours, Yoruba, 200). Logarithmic counts: 0 to .016
better (15 neighbours, Yoruba).

The weight, 15 neighbours on Yoruba: a variance of K drowns 5 informative numbers beside the text (.665), one of 1 is
drowned by 5 numbers of pure noise (.343); sqrt(K) is within .01 of the best weight tried with informative numbers
(.844 of .850), and keeps .567 of .623 beside the noise. The same held on Banking77.

The terms and directions are learned from at most 25,000 rows and 10 million characters, taken by the hash of the
text, so that neither cost nor memory grows with the table, and the order of the rows does not matter; of each text
the first 2,000 characters are read.

Source: Salton & Buckley 1988 (TF-IDF), Deerwester et al. 1990 (singular directions), Halko et al. 2011 (the randomised
algorithm).
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from culpa.influence.features.numeric import fit_missing
from culpa.influence.features.scale import Bent

MOST_TERMS = 30_000
MOST_DIRECTIONS = 300
LEARN_ROWS = 25_000
LEARN_CHARACTERS = 10_000_000
READ_CHARACTERS = 2_000  # of each text
LEAST_LENGTH = 0.01  # of a text among the directions; 1 among all terms
BLOCK = 2_048  # rows


@dataclass(frozen=True)
class Text:
    """One column of text. An empty text, or one without a known term, lies at the origin of the directions."""

    column: str
    terms: TfidfVectorizer
    directions: NDArray[np.float32]  # (terms, K)
    means: NDArray[np.float32]  # (K,)
    width: float
    missing: Bent | None

    @property
    def names(self) -> tuple[str, ...]:
        """Name each feature."""
        found = tuple(f"{self.column}[{k}]" for k in range(self.directions.shape[1]))
        return found + ((f"{self.column} is missing",) if self.missing else ())

    def write(self, values: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Fill `out`, (rows, features), in blocks."""
        K = self.directions.shape[1]
        for start in range(0, len(values), BLOCK):
            rows = slice(start, start + BLOCK)
            found = unit_rows(self.terms.transform(read(values[rows])) @ self.directions)
            out[rows, :K] = (found - self.means) / np.float32(self.width)
        if self.missing:
            out[:, -1] = self.missing(is_missing(values).astype(float))


def fit_text(column: str, values: NDArray[Any], *, seed: int) -> Text | None:
    """Learn terms, directions and scale; None where no two texts differ in their terms."""
    sample = choose(read(values))
    learned = learn_terms(sample)
    if learned is None:
        return None
    terms, counts = learned
    directions = learn_directions(counts, most_directions(len(values)), seed)
    found = unit_rows(counts @ directions)
    means, variance = found.mean(axis=0), float(found.var(axis=0, dtype=np.float64).sum())
    if variance < 1e-9:
        return None
    width = float(np.sqrt(variance / np.sqrt(directions.shape[1])))
    return Text(column, terms, directions, means, width, fit_missing(column, is_missing(values)))


def learn_terms(sample: list[str]) -> tuple[TfidfVectorizer, Any] | None:
    """Learn the terms; those of a single row only where there are no others; None where there is no term at all."""
    for least in (2, 1):
        terms = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(2, 4),
            sublinear_tf=True,
            min_df=least,
            max_features=MOST_TERMS,
            dtype=np.float32,
        )
        try:
            return terms, terms.fit_transform(sample)
        except ValueError:  # scikit-learn's word for an empty vocabulary
            continue
    return None


def learn_directions(counts: Any, most: int, seed: int) -> NDArray[np.float32]:
    """Find the leading right singular vectors, (terms, K); those of no weight are left out."""
    if counts.shape[1] == 1:  # fewer than TruncatedSVD takes
        return np.ones((1, 1), dtype=np.float32)
    with np.errstate(invalid="ignore"):  # the share of the variance explained, 0 / 0 where all texts are the same
        found = TruncatedSVD(min(most, *counts.shape), n_iter=4, random_state=seed).fit(counts)
    kept = found.singular_values_ > 1e-5 * found.singular_values_[0]
    return np.ascontiguousarray(found.components_[kept].T, dtype=np.float32)


def most_directions(rows: int) -> int:
    """Grow the directions with the square root of the rows."""
    return int(min(MOST_DIRECTIONS, max(8, 5 * np.sqrt(rows))))


def choose(texts: list[str]) -> list[str]:
    """Take the rows to learn from: evenly spaced in the order of the texts' hashes, whatever order they came in."""
    characters = max(1, sum(map(len, texts)))
    most = int(min(LEARN_ROWS, max(1, LEARN_CHARACTERS * len(texts) // characters)))
    ordered = sorted(texts, key=lambda text: blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    places = np.unique(np.linspace(0, len(ordered) - 1, most).astype(int))
    return [ordered[k] for k in places]


def read(values: NDArray[Any]) -> list[str]:
    """Give the beginning of each text; a missing one is empty."""
    return ["" if text is None else text[:READ_CHARACTERS] for text in values]


def is_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the texts that are None, (rows,)."""
    return np.fromiter((text is None for text in values), dtype=bool, count=len(values))


def unit_rows(found: NDArray[Any]) -> NDArray[Any]:
    """Scale each row to length 1; what is shorter than LEAST_LENGTH is rounding, and is not blown up to it."""
    unit: NDArray[Any] = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), LEAST_LENGTH)
    return unit
