"""The proxies by name, and how each is fitted again once it has been fitted before.

`linear`, `forest` and `neighbors` need the rows alone, and `auto` is these three. `text` reads tokens; `MODULE:FACTORY`
is whatever the user brings (`brought`). Those two are judged as the options say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from culpa.influence.proxy import Fitted
from culpa.influence.rows import Rows

__all__ = ["ProxyOptions", "fit_proxies", "fit_proxy", "is_brought", "proxy_names"]

AUTO = ("linear", "forest", "neighbors")
READER = "text"


@dataclass(frozen=True, kw_only=True)
class ProxyOptions:
    """How a proxy that is a network is trained and judged."""

    method: str | None = None  # a name of the table of methods; None: the proxy's own
    layers: tuple[str, ...] | None = None  # gradients of these alone
    held_out: Rows | None = None  # rows that tell a network when to stop; None: a tenth of its own
    kept: Path | None = None  # the folder where a network's trainings are kept; None: nowhere
    code: str = ""  # hash of what makes the network: other code, another training


def is_brought(proxy: str) -> bool:
    """Whether a proxy is the user's own, MODULE:FACTORY."""
    return ":" in proxy


def proxy_names(proxy: str) -> tuple[str, ...]:
    """The proxies that a choice stands for: itself, or for `auto` all three."""
    if proxy not in ("auto", *AUTO, READER) and not is_brought(proxy):
        raise ValueError(f"no proxy is called {proxy!r}: choose auto, {', '.join(AUTO)}, {READER} or MODULE:FACTORY")
    return AUTO if proxy == "auto" else (proxy,)


def fit_proxies(
    names: tuple[str, ...],
    rows: Rows,
    keep: NDArray[np.bool_],
    *,
    seed: int,
    before: Mapping[str, Fitted] | None = None,
    options: ProxyOptions | None = None,
) -> dict[str, Fitted]:
    """Each named proxy fitted on the kept rows; `before` are earlier fits whose choices are kept."""
    earlier = before or {}
    return {name: fit_proxy(name, rows, keep, seed=seed, before=earlier.get(name), options=options) for name in names}


def fit_proxy(
    name: str,
    rows: Rows,
    keep: NDArray[np.bool_],
    *,
    seed: int,
    before: Fitted | None = None,
    options: ProxyOptions | None = None,
) -> Fitted:
    """One proxy fitted on the kept rows. The linear one keeps the strength it chose and starts from its weights."""
    if name == "forest":
        from culpa.influence.forest import fit_forest  # scikit-learn's trees are slow to import

        return fit_forest(rows, keep, seed=seed)
    if name == "neighbors":
        from culpa.influence.neighbors import fit_neighbors

        return fit_neighbors(rows, keep, seed=seed)
    if name == READER or is_brought(name):
        from culpa.influence.brought import fit_brought  # torch, where it is a network

        return fit_brought(name, rows, keep, seed=seed, before=before, options=options or ProxyOptions())
    return _fit_linear(rows, keep, before)


def _fit_linear(rows: Rows, keep: NDArray[np.bool_], before: Fitted | None) -> Fitted:
    from culpa.influence.linear import FittedLinear, fit_linear

    earlier = cast(FittedLinear | None, before)
    if earlier is None:
        return fit_linear(rows, keep)
    total = earlier.strength.l2 * earlier.keep.sum()  # rows * l2 stays put when rows come or go
    again = fit_linear(rows, keep, l2=float(total / keep.sum()), start=earlier.weights)
    return replace(again, strength=replace(again.strength, tried=earlier.strength.tried))
