"""TracIn: products of gradients along the training, at checkpoints, each weighed by its learning rate.

score(i, v) = sum over checkpoints of rate * <g_i, g_v>, positive helps: a step along -g_i at that rate lowers the loss
of v by so much. Over all layers this is TracIn-all, over the last TracIn-last (Pruthi et al. 2020); over the word
embedding it is TracIn-WE, where two rows meet in the words they share, so that the score splits into words, and where
only each row's strongest words may be kept, or words meet their synonyms (Yeh et al. 2022). Its unit is nats, the
model's own loss.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from culpa.influence.attribution.synonyms import Synonyms
from culpa.influence.attribution.through_curvature import mean_gradient
from culpa.influence.gradients import Lookups, Losses, Objective, Rowwise, capture
from culpa.influence.gradients.batches import Batch
from culpa.influence.network import Checkpoint
from culpa.influence.network.training import restored

__all__ = ["TracIn"]


@dataclass(frozen=True)
class TracIn:
    """A module, what it is trained for, and the moments of its training to look at."""

    module: nn.Module
    objective: Objective
    checkpoints: Sequence[Checkpoint]
    layers: Sequence[str] | None = None
    top_words: int | None = None  # of each row's gradient in an Embedding
    synonyms: Synonyms | None = None  # words that meet besides themselves
    target: Losses | None = None  # what of a reference row is asked about; None: its loss

    def __post_init__(self) -> None:
        """Refuse a training without a moment, and rates that are none."""
        if not self.checkpoints:
            raise ValueError("no checkpoint came, at least one is needed: keep the model's state_dict while it trains")
        rates = [checkpoint.rate for checkpoint in self.checkpoints]
        if not all(rate > 0 for rate in rates):
            raise ValueError(f"learning rates must be positive, got {rates}: give the rate at each checkpoint")

    def between(self, training: Sequence[Batch], reference: Sequence[Batch]) -> Tensor:
        """Scores of all pairs, (training rows, reference rows), positive helps."""
        return torch.stack([one.rate * self._dots(training, reference) for one in self._moments()]).sum(0)

    def on_mean(self, training: Sequence[Batch], reference: Sequence[Batch]) -> Tensor:
        """Score of each row on the mean of the reference rows, (training rows,), positive helps: one direction."""
        return torch.stack([one.rate * self._along(training, reference) for one in self._moments()]).sum(0)

    def own(self, training: Sequence[Batch]) -> Tensor:
        """Score of each row on itself, (training rows,), never negative."""
        parts = []
        for moment in self._moments():
            squares = [torch.stack([one.squares() for one in self._kept(batch).values()]).sum(0) for batch in training]
            parts.append(moment.rate * torch.cat(squares))
        return torch.stack(parts).sum(0)

    def words(self, rows: Sequence[Batch], reference: Sequence[Batch], layer: str) -> tuple[Tensor, Tensor]:
        """Tokens of each row and what each place adds to `on_mean` in the named Embedding, (rows, positions) both."""
        each = 1 if self.synonyms is None else self.synonyms.most
        tokens, parts = torch.cat([self._lookups(batch, layer).tokens for batch in rows]), []
        for moment in self._moments():
            mean = mean_gradient({layer: self._lookups(batch, layer, self.target)} for batch in reference)[layer][0]
            places = torch.cat([self._lookups(batch, layer).by_position(mean) for batch in rows])
            parts.append(moment.rate * places.reshape(len(places), -1, each).sum(2))
        return tokens[:, ::each], torch.stack(parts).sum(0)

    def _moments(self) -> Iterator[Checkpoint]:
        """Each checkpoint with the module in its state; afterwards the module is what it was."""
        with restored(self.module):
            for checkpoint in self.checkpoints:
                self.module.load_state_dict(dict(checkpoint.state))
                yield checkpoint

    def _dots(self, training: Sequence[Batch], reference: Sequence[Batch]) -> Tensor:
        there = [self._kept(batch, self.target) for batch in reference]
        rows = []
        for batch in training:
            here = self._kept(batch)
            columns = [torch.stack([here[name].dots(one) for name, one in far.items()]).sum(0) for far in there]
            rows.append(torch.cat(columns, dim=1))
        return torch.cat(rows)

    def _along(self, training: Sequence[Batch], reference: Sequence[Batch]) -> Tensor:
        mean = mean_gradient(self._kept(batch, self.target) for batch in reference)
        parts = []
        for batch in training:
            products = [layer.along(mean[name]) for name, layer in self._kept(batch).items()]
            parts.append(torch.stack(products).sum(0)[:, 0])
        return torch.cat(parts)

    def _kept(self, batch: Batch, losses: Losses | None = None) -> Mapping[str, Rowwise]:
        """A batch's gradients, of words as many as are asked for."""
        found = capture(self.module, losses or self.objective.losses, batch, self.layers).layers
        return {name: self._words(one) if isinstance(one, Lookups) else one for name, one in found.items()}

    def _words(self, found: Lookups) -> Lookups:
        kept = found if self.top_words is None else found.strongest(self.top_words)
        return kept if self.synonyms is None else self.synonyms(kept)

    def _lookups(self, batch: Batch, layer: str, losses: Losses | None = None) -> Lookups:
        found = self._kept(batch, losses)[layer]
        if not isinstance(found, Lookups):
            raise ValueError(f"layer {layer!r} is no Embedding, so its gradient has no words: name the Embedding")
        return found
