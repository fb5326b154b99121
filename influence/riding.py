"""Reference rows that ride along: behind the rows of a training, but never in it, so that any proxy judges them.

Every proxy says of a row that took no part in the training what it would say of a stranger. So the outcomes of rows
from outside need no further promise of a proxy.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from culpa.influence.rows import Rows

__all__ = ["riding", "with_riders"]


def with_riders(rows: Rows, reference: Rows) -> Rows:
    """The rows, and after them the reference rows as strangers to every group of duplicates."""
    tokens = None
    if rows.tokens is not None and reference.tokens is not None:
        tokens = np.concatenate([rows.tokens, reference.tokens])
    return replace(
        rows,
        features=np.concatenate([rows.features, reference.features]),
        labels=np.concatenate([rows.labels, reference.labels]),
        groups=np.concatenate([rows.groups, int(rows.groups.max()) + 1 + np.arange(len(reference))]),
        tokens=tokens,
    )


def riding(keep: NDArray[np.bool_], riders: int) -> NDArray[np.bool_]:
    """Who takes part in the training: the kept rows, and no rider. (rows + riders,)."""
    return np.concatenate([keep, np.zeros(riders, np.bool_)])
