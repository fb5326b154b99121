"""Texts as tokens, for proxies that read: the vocabulary is learnt from the first rows and serves for all."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from culpa.influence.features import Role
from culpa.tasks.errors import BadInput
from culpa.tasks.prepare import FIT_ROWS, VOCABULARY, Part, chunks

if TYPE_CHECKING:
    from culpa.influence.words import Vocabulary

__all__ = ["write_tokens"]


def write_tokens(sides: Sequence[Part], roles: dict[str, Role], chunk_rows: int, *, needed: bool) -> None:
    """Write the tokens of each side and the words they stand for; several columns of text are read one after another.

    Errors: BadInput where no column holds text and tokens are needed.
    """
    from culpa.influence.words import fit_vocabulary  # scikit-learn's tokenizer, only for runs that read

    columns = [f"f{place}" for place, role in enumerate(roles.values()) if role == "text"]
    if not columns:
        if needed:
            raise BadInput(
                f"the proxy text reads words, and no column is text (there are {_roles(roles)}): name one with --text"
            )
        return
    vocabulary = fit_vocabulary(_texts(next(chunks(sides[0], FIT_ROWS)), columns))
    (sides[0].folder / VOCABULARY).write_text(json.dumps(vocabulary.words), encoding="utf-8")
    for side in sides:
        _write(side, vocabulary, columns, chunk_rows)


def _write(side: Part, vocabulary: "Vocabulary", columns: Sequence[str], chunk_rows: int) -> None:
    rows = pq.ParquetFile(side.columns).metadata.num_rows
    shape = rows, vocabulary.positions
    matrix = np.lib.format.open_memmap(side.tokens, mode="w+", dtype=np.int32, shape=shape)
    first = 0
    for found in _encoded(side, vocabulary, columns, chunk_rows):
        matrix[first : first + len(found)] = found
        first += len(found)
    matrix.flush()


def _encoded(
    side: Part, vocabulary: "Vocabulary", columns: Sequence[str], chunk_rows: int
) -> Iterator[NDArray[np.int32]]:
    for chunk in chunks(side, chunk_rows):
        yield vocabulary.encode(_texts(chunk, columns))


def _texts(chunk: pa.RecordBatch, columns: Sequence[str]) -> list[str]:
    parts = [chunk.column(name).to_pylist() for name in columns]
    return [" ".join(text or "" for text in texts) for texts in zip(*parts, strict=True)]


def _roles(roles: dict[str, Role]) -> str:
    return ", ".join(f"{name}: {role}" for name, role in list(roles.items())[:10])
