"""Who moved what: the methods that score the training rows of a network, all behind the same three calls.

`between` (pairs of training and reference rows), `on_mean` (the mean of the reference rows), `own` (self-influence);
positive helps. Read in this order: `attribution` (the promise), `method` (a row of the table), `table` (all of them by
name). Methods
* by gradients: `through_curvature` and `by_curvature`, `tracin` and `by_checkpoints`, `synonyms`; on few axes
  `on_axes`, `trak`, `trackstar`; wrapped `fast`, `relative`;
* that follow a training: `data_value_embedding`, `gradient_rollback`, `turn_over_dropout`;
* that train again: `retraining`, `subset_models`, `untrac`.
Questions asked of methods: `words` (to blame), `by_layer`, `few_parameters`, `small_to_large`, `agreement` (with
retraining), `datamodels`, `memorize_or_generalize`, `poison`. What follows from them: `selective_removal`,
`unlearning`, `weights`, `lexical`, `multi_stage`.

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
