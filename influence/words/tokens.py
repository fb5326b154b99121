"""Texts as rows of tokens: what a word is, which words have a number of their own, and how many positions a row has.

A word is what scikit-learn's CountVectorizer takes for one, lower-cased, and three things it loses: words of one letter
("I"), an apostrophe between letters ("haven't" is one word), and combining marks, without which Yoruba or Hindi words
fall to pieces. Texts are brought to one Unicode form (NFC) first. Scripts without blanks between words, Chinese for
one, come out as whole sentences: cut those into words before.

Every row is start, words, end, padding. Start and end stand in all rows, so that two rows without a common word still
meet there. A word that a single row holds says nothing about others: it is unknown, as are words not seen before.
Source: start and end Yeh et al. 2022, section 4.3.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

__all__ = ["END", "PADDING", "SPECIAL", "START", "UNKNOWN", "Vocabulary", "fit_vocabulary", "split"]

PADDING, UNKNOWN, START, END = range(4)
SPECIAL = ("[padding]", "[unknown]", "[start]", "[end]")  # no text has such words

MOST_WORDS = 20_000
LEAST_ROWS = 2  # that hold a word
MOST_POSITIONS = 128
POSITIONS_FIT = 99  # percent of the rows, whole; the others lose their last words
READ_CHARACTERS = 2_000  # of each text

_MARKS = "".join(chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code)).startswith("M"))
_LETTERS = rf"[\w{_MARKS}]+"
_WORD = re.compile(rf"{_LETTERS}(?:['’]{_LETTERS})*")


@dataclass(frozen=True)
class Vocabulary:
    """The words that have a token of their own, and the length of a row.

    >>> vocabulary = fit_vocabulary(["my card is lost", "my card is here"])
    >>> vocabulary.encode(["My card!", None]).tolist()
    [[2, 6, 4, 3, 0, 0], [2, 3, 0, 0, 0, 0]]
    >>> vocabulary.decode([[2, 6, 4, 3, 0]])
    [['[start]', 'my', 'card', '[end]']]
    """

    words: tuple[str, ...]  # in token order: the special ones, then the others, those of most rows first
    positions: int  # of a row, start and end among them

    def __len__(self) -> int:
        """Count the tokens."""
        return len(self.words)

    def encode(self, texts: Sequence[str | None]) -> NDArray[np.int32]:
        """Tokens of each text, (rows, positions); a missing text has start and end alone."""
        found = [split(text)[: self.positions - 2] for text in texts]
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        token = self._token
        known = (token.get(word, UNKNOWN) for word in chain.from_iterable(found))
        place = np.arange(self.positions)
        rows = np.full((len(found), self.positions), PADDING, np.int32)
        rows[:, 0] = START
        rows[(place > 0) & (place <= lengths[:, None])] = np.fromiter(known, np.int32, lengths.sum())
        rows[np.arange(len(found)), lengths + 1] = END
        return rows

    def decode(self, tokens: Iterable[Iterable[int]]) -> list[list[str]]:
        """The words of each row, without the padding."""
        return [[self.words[token] for token in row if token != PADDING] for row in tokens]

    @cached_property
    def _token(self) -> dict[str, int]:
        return {word: token for token, word in enumerate(self.words) if token >= len(SPECIAL)}


def fit_vocabulary(texts: Sequence[str | None], *, least: int = LEAST_ROWS, most: int = MOST_WORDS) -> Vocabulary:
    """Words that `least` texts or more hold, at most `most` of them; positions such that 99 % of the texts are whole.

    Where no word comes in so many texts, those of fewer are taken. The order of the texts does not matter. Errors:
    ValueError for no texts, and for limits below one.
    """
    if not len(texts) or least < 1 or most < 1:
        raise ValueError(f"{len(texts)} texts, least={least}, most={most} came: needed one or more of each")
    holding: Counter[str] = Counter()
    lengths = []
    for text in texts:
        words = split(text)
        holding.update(set(words))
        lengths.append(len(words))
    kept = [word for word, rows in holding.items() if rows >= least] or list(holding)
    kept.sort(key=lambda word: (-holding[word], word))
    whole = int(np.percentile(lengths, POSITIONS_FIT, method="higher"))
    return Vocabulary((*SPECIAL, *kept[:most]), min(whole + 2, MOST_POSITIONS))


def split(text: str | None) -> list[str]:
    """The words at the beginning of a text.

    >>> split("I haven't GOT it: Bọ́ọ̀lù!")
    ['i', "haven't", 'got', 'it', 'bọ́ọ̀lù']
    """
    return [] if text is None else _WORD.findall(unicodedata.normalize("NFC", text[:READ_CHARACTERS].lower()))
