"""How one column of numbers is scaled: bent at the tails where it stands alone, straight where it shares a scale.

Alone:   x -> clip((asinh((x - median) / width) - mean) / deviation, -3, 3),
         width = distance of the quartiles / 1.349, for a normal its deviation.
Shared:  x -> (x - mean) / pooled deviation of all columns of that scale (see `shared`).

Measured, 4-fold accuracy of 15 neighbours / softmax regression, 20 % of the training labels wrong, judged on the
true ones:

    data                                     plain standardisation   this rule
    breast_cancer                            .944 / .947             .949 / .953
    breast_cancer, half the columns e^(3z/2) .937 / .938             .951 / .949
    breast_cancer, 0.5 % of cells x 1000     .866 / .627             .951 / .951
    wine                                     .961 / .955             .961 / .961
    wine, all columns e^(3z/2)               .775 / .854             .904 / .921
    wine, 0.5 % of cells x 1000              .910 / .871             .961 / .955
    iris                                     .947 / .880             .940 / .880

With clean labels wine's softmax regression loses (.983 to .961); nothing else loses more than .005. Clipping at
quantiles, at 5 or 8 quartile widths, and asinh without the clip were each worse on two or more of these. The limit
holds for a lone column of 0 and 1 too: a rare mark does not outshout all else.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

LIMIT = 3.0  # deviations
NORMAL_QUARTILES = float(ndtri(0.75) - ndtri(0.25))  # 1.349


@dataclass(frozen=True)
class Straight:
    """x -> (x - center) / width."""

    center: float
    width: float

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:  # (rows,)
        """Scale; a missing value lands on the centre."""
        scaled = (values - self.center) / self.width
        return np.where(np.isnan(scaled), 0.0, scaled)


@dataclass(frozen=True)
class Bent:
    """x -> clip((asinh((x - median) / width) - mean) / deviation, -3, 3): straight inside, logarithmic far out."""

    median: float
    width: float
    mean: float
    deviation: float

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:  # (rows,)
        """Scale; a missing value lands where the median lands."""
        scaled = (bend(values, self.median, self.width) - self.mean) / self.deviation
        return np.clip(scaled, -LIMIT, LIMIT)


def bend(values: NDArray[Any], median: float, width: float) -> NDArray[Any]:
    """Give asinh((x - median) / width), 0 where x is missing."""
    bent = np.arcsinh((values - median) / width)
    return np.where(np.isnan(bent), 0.0, bent)


def fit_bent(name: str, values: NDArray[Any]) -> Bent | None:
    """Fit the scale of a column that stands alone; None where its present values are all the same."""
    present = values[~np.isnan(values)]
    if len(present) == 0 or present.min() == present.max():
        return None
    low, median, high = np.percentile(present, [25, 50, 75])
    with np.errstate(over="ignore"):
        width = (high - low) / NORMAL_QUARTILES or present.std()
        bent = bend(values, median, width)
    mean, deviation = bent.mean(), bent.std()
    if not np.isfinite(deviation) or deviation == 0:
        raise ValueError(
            f"column {name!r} runs from {present.min():.3g} to {present.max():.3g}, too wide for double precision: "
            "needed values whose squares can be added; take logarithms, or put NaN where a value is an error"
        )
    return Bent(float(median), float(width), float(mean), float(deviation))
