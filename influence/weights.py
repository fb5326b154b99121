"""How much each proxy's word counts: alike, unless one is clearly worse than the best.

weight = (FLOOR / (FLOOR + excess))^POWER, excess the share of rows that a proxy gets wrong out of sample beyond the
best proxy's, less three standard errors of the paired difference. Counted in errors and not in likelihood, because most
label noise leaves the likeliest class what it was (Ghosh et al. 2017), while likelihood rewards a proxy for learning
the noise: measured, weights of greatest likelihood lower average precision under pairwise noise. Comparable proxies are
averaged plainly, which is hard to beat; one that cannot see what another sees no longer dilutes it. Found once, before
any row is removed.
For regression the excess is that of the mean absolute residual, as a share of the best proxy's.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from culpa.influence.rows import Rows

__all__ = ["proxy_weights"]

FLOOR = 0.1
POWER = 4
STANDARD_ERRORS = 3.0


def proxy_weights(outcomes: Mapping[str, NDArray[np.float64]], rows: Rows) -> dict[str, float]:
    """Weight of each proxy, 1 in sum, from its out-of-sample outcomes: (rows, classes), or (rows, 1) predictions."""
    errors = {name: _errors(found, rows) for name, found in outcomes.items()}
    best = min(errors.values(), key=lambda error: float(error.mean()))
    unit = 1.0 if rows.classes else float(best.mean()) or 1.0
    raw = {name: (FLOOR / (FLOOR + _excess(error, best) / unit)) ** POWER for name, error in errors.items()}
    return {name: float(weight / sum(raw.values())) for name, weight in raw.items()}


def _errors(outcomes: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
    """(rows,) 1 where another class is likelier than the given one; regression: absolute residual."""
    if rows.classes:
        return (outcomes.argmax(axis=1) != rows.labels).astype(np.float64)
    residuals: NDArray[np.float64] = np.abs(outcomes[:, 0] - rows.labels)
    return residuals


def _excess(error: NDArray[np.float64], best: NDArray[np.float64]) -> float:
    """Mean error beyond the best one's that chance does not explain, >= 0."""
    worse = error - best
    chance = STANDARD_ERRORS * float(worse.std()) / np.sqrt(len(worse))
    return max(float(worse.mean()) - chance, 0.0)
