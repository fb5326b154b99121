"""The training of many estimators, each on rows of its own, and no more of them than memory should hold."""

import pickle
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from culpa.influence.estimators.model import Blank, Make, Model, fit_model
from culpa.influence.estimators.side_by_side import side_by_side
from culpa.influence.rows import Rows
from culpa.influence.subsets import Masks

__all__ = ["Learning"]

MOST_BYTES = 2**30  # of a panel's models, pickled


@dataclass(frozen=True)
class Learning:
    """What models are made of, and learn from."""

    make: Make
    rows: Rows
    blank: Blank
    seed: int

    def from_masks(self, masks: Masks, *, part: int) -> tuple[Model, ...]:
        """A model for each mask; `part` numbers the panel."""

        def learn(place: int) -> Model:
            seed = int(np.random.default_rng([self.seed, part, place]).integers(2**31))
            return fit_model(self.make, self.rows, masks[place], seed=seed, blank=self.blank)

        return tuple(side_by_side(learn, range(len(masks)), like=self.make(self.seed)))

    def affordable(self, models: int, keep: NDArray[np.bool_]) -> int:
        """So many models, or as many as memory should hold, told by one that is trained on all kept rows."""
        (one,) = self.from_masks(keep[None], part=3)
        return min(models, MOST_BYTES // _size(one))


def _size(model: Model) -> int:
    """Bytes of a model, pickled; 1 where it cannot be."""
    try:
        return len(pickle.dumps(model))
    except (pickle.PicklingError, AttributeError, TypeError):
        return 1
