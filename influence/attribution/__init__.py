"""Who moved what: the methods that score the training rows of a network, all behind the same three calls.

`between` (pairs of training and reference rows), `on_mean` (the mean of the reference rows), `own` (self-influence);
positive helps. Read in this order: `attribution` (the promise), `method` (a row of the table), `table` (all of them by
name). Gradient methods: `through_curvature` and `by_curvature`, `tracin` and `by_checkpoints`.

>>> import torch
>>> from culpa.influence.network import Recipe, train
>>> chance = torch.Generator().manual_seed(0)
>>> features = torch.randn(40, 2, generator=chance)
>>> labels = (features[:, 0] > 0).long()
>>> recipe = Recipe(lambda: torch.nn.Linear(2, 2), rate=0.5, epochs=20)
>>> training = train(recipe, (features, labels), seed=0)
>>> attribute(training, "ekfac", Choices(seed=0)).between((features[:3], labels[:3])).shape
torch.Size([40, 3])
"""

from culpa.influence.attribution.attribution import Attribution
from culpa.influence.attribution.method import Choices, Method
from culpa.influence.attribution.table import METHODS, attribute

__all__ = ["METHODS", "Attribution", "Choices", "Method", "attribute"]
