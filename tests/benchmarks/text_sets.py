"""Two sets of short labelled texts as rows of tokens: bank customers' questions and Yoruba news titles.

Banking77 (Casanueva et al. 2020): the intents whose name holds a word, "transfer" by default: ten that are easily
confused, 1,441 training and 400 test rows. Yoruba news titles (Hedderich et al. 2020): seven topics, 1,340 training
rows whose labels come from keyword rules, a third of them wrong; 189 trusted and 379 test rows labelled by people.
A row is at most 24 tokens, start and end among them.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Recipe
from culpa.influence.words import Vocabulary, fit_vocabulary, text_recipe

__all__ = ["SETS", "TextSet", "load", "small_reader"]

SETS = ("banking77", "yoruba")
POSITIONS = 24
DIMENSIONS, CHANNELS = 16, 32


@dataclass(frozen=True)
class TextSet:
    """Rows of tokens and labels."""

    name: str
    vocabulary: Vocabulary
    classes: int
    training: Batch  # labels as they are given
    truth: torch.Tensor  # (training rows,) labels by people where there are any
    reference: Batch
    test: Batch


def load(folder: Path, name: str, *, intents: str, most: int | None = None) -> TextSet:
    """One of the two; of Banking77 the intents whose name holds `intents`, every second test row a reference row.

    `most` keeps the first rows of a shuffle, for a quick try.
    """
    parts = {part: pd.read_parquet(folder / f"{name}_{part}.parquet") for part in ("train", "test")}
    if name == "banking77":
        parts = {part: table[table["label"].str.contains(intents)] for part, table in parts.items()}
        parts["reference"], parts["test"] = parts["test"].iloc[::2], parts["test"].iloc[1::2]
    else:
        parts["reference"] = pd.read_parquet(folder / f"{name}_reference.parquet")
    training = parts["train"].sample(frac=1, random_state=0)[:most]
    vocabulary = fit_vocabulary(training["text"].tolist())
    vocabulary = replace(vocabulary, positions=min(vocabulary.positions, POSITIONS))
    names = sorted(set(training["label"]))
    truth = training["truth" if "truth" in training else "label"]
    return TextSet(
        name,
        vocabulary,
        len(names),
        _rows(training, vocabulary, names),
        _codes(truth, names),
        _rows(parts["reference"], vocabulary, names),
        _rows(parts["test"], vocabulary, names),
    )


def small_reader(texts: TextSet, epochs: int) -> Recipe:
    """The built-in reader at a quarter of its width, so that it can be trained again some ten thousand times.

    Every epoch is a checkpoint: TracIn misses what was learnt between them.
    """
    width = {"dimensions": DIMENSIONS, "channels": CHANNELS}
    found = text_recipe(len(texts.vocabulary), texts.classes, **width, epochs=epochs, checkpoints=epochs)
    return replace(found, patience=None)


def _rows(table: Any, vocabulary: Vocabulary, names: list[str]) -> Batch:
    known = table[table["label"].isin(names)]
    return torch.as_tensor(vocabulary.encode(known["text"].tolist())).long(), _codes(known["label"], names)


def _codes(labels: Any, names: list[str]) -> torch.Tensor:
    return torch.as_tensor(np.searchsorted(names, labels.to_numpy().astype(str)))
