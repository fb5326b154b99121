"""The proxies by name, and how each is fitted again once it has been fitted before."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from culpa.influence.proxy import Fitted
from culpa.influence.rows import Rows

__all__ = ["fit_proxies", "fit_proxy", "proxy_names"]

AUTO = ("linear", "forest", "neighbors")


def proxy_names(proxy: str) -> tuple[str, ...]:
    """The proxies that a choice stands for: itself, or for `auto` all three."""
    if proxy != "auto" and proxy not in AUTO:
        raise ValueError(f"no proxy is called {proxy!r}: choose auto, {', '.join(AUTO)}")
    return AUTO if proxy == "auto" else (proxy,)


def fit_proxies(
    names: tuple[str, ...],
    rows: Rows,
    keep: NDArray[np.bool_],
    *,
    seed: int,
    before: Mapping[str, Fitted] | None = None,
) -> dict[str, Fitted]:
    """Each named proxy fitted on the kept rows; `before` are earlier fits whose choices are kept."""
    return {name: fit_proxy(name, rows, keep, seed=seed, before=(before or {}).get(name)) for name in names}


def fit_proxy(name: str, rows: Rows, keep: NDArray[np.bool_], *, seed: int, before: Fitted | None = None) -> Fitted:
    """One proxy fitted on the kept rows. The linear one keeps the strength it chose and starts from its weights."""
    if name == "forest":
        from culpa.influence.forest import fit_forest  # scikit-learn's trees are slow to import

        return fit_forest(rows, keep, seed=seed)
    if name == "neighbors":
        from culpa.influence.neighbors import fit_neighbors

        return fit_neighbors(rows, keep, seed=seed)
    from culpa.influence.linear import FittedLinear, fit_linear

    earlier = cast(FittedLinear | None, before)
    if earlier is None:
        return fit_linear(rows, keep)
    total = earlier.strength.l2 * earlier.keep.sum()  # rows * l2 stays put when rows come or go
    again = fit_linear(rows, keep, l2=float(total / keep.sum()), start=earlier.weights)
    return replace(again, strength=replace(again.strength, tried=earlier.strength.tried))
