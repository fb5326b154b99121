"""Torch networks: how one is made and trained, its training watched and repeated.

Read in this order: `recipe` (what a network needs to be trained), `training` (the one loop, its moments and what is
kept of it), `stopping` (for how many epochs), `together` (many trainings at once, of networks that are `stacked`).
"""

from culpa.influence.network.recipe import Recipe
from culpa.influence.network.stopping import stopped_early
from culpa.influence.network.together import losses_together, train_together
from culpa.influence.network.training import Checkpoint, Moment, Training, Watcher, train

__all__ = [
    "Checkpoint",
    "Moment",
    "Recipe",
    "Training",
    "Watcher",
    "losses_together",
    "stopped_early",
    "train",
    "train_together",
]
