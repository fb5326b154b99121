"""The words to blame: how a row moves the reference rows, split into its words, the way a reviewer reads it.

TracIn through the word embedding is a sum over the words that two rows share; against the mean of many reference rows
every word of a row has a part of its own, and the parts add up to the row's score. Negative: through this word the row
harms the reference rows. Start and end are words here too: what they carry is the label, whatever the row says.
Source: Yeh et al. 2022, section 4.2.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from culpa.influence.attribution.by_checkpoints import word_embedding
from culpa.influence.attribution.method import Choices
from culpa.influence.attribution.tracin import TracIn
from culpa.influence.gradients import in_order
from culpa.influence.gradients.batches import Batch
from culpa.influence.gradients.lookups import occurrences
from culpa.influence.network import Training
from culpa.influence.network.training import BATCH

__all__ = ["NO_WORD", "BlamedWords", "words_to_blame"]

NO_WORD = -1


@dataclass(frozen=True)
class BlamedWords:
    """The words of each row that move the reference rows most, strongest first."""

    tokens: Tensor  # (rows, most) integers, NO_WORD where a row has no more
    values: Tensor  # (rows, most) nats, positive helps; 0 where there is no word


def words_to_blame(training: Training, rows: Batch, reference: Batch, *, most: int, choices: Choices) -> BlamedWords:
    """What the words of some rows add to their TracIn-WE score on the mean of the reference rows.

    A word that comes twice in a row counts once, with both its places. Errors: ValueError for a network without words.
    """
    layer = word_embedding(training.module)
    target = choices.losses(training)
    tracin = TracIn(training.module, training.recipe.objective, training.checkpoints, [layer], target=target)
    tokens, places = tracin.words(list(in_order(rows, BATCH)), list(in_order(reference, BATCH)), layer)
    return strongest_words(tokens, places, most)


def strongest_words(tokens: Tensor, places: Tensor, most: int) -> BlamedWords:
    """Of each row the words with the largest sums over their places; (rows, positions) both."""
    same, first = occurrences(tokens)
    sums = (same.to(places.dtype) @ places[:, :, None])[:, :, 0]
    count = min(most, tokens.shape[1])
    sizes, order = torch.where(first, sums.abs(), 0.0).topk(count, dim=1)
    found = torch.where(sizes > 0, tokens.gather(1, order), NO_WORD)
    values = torch.where(sizes > 0, sums.gather(1, order), 0.0)
    missing = (0, most - count)
    return BlamedWords(torch.nn.functional.pad(found, missing, value=NO_WORD), torch.nn.functional.pad(values, missing))
