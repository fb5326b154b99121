"""Texts and the words in them: what a reader makes of them, and which words go with errors.

Read in this order: `tokens` (texts to rows of tokens), `reader` (the network that reads them), `artifacts` (words that
go with influence). Influence through words is TracIn-WE in `attribution.by_checkpoints`.
"""

from culpa.influence.words.artifacts import Artifacts, find_artifacts
from culpa.influence.words.reader import Reader, text_recipe
from culpa.influence.words.tokens import Vocabulary, fit_vocabulary

__all__ = ["Artifacts", "Reader", "Vocabulary", "find_artifacts", "fit_vocabulary", "text_recipe"]
