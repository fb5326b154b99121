"""What every tool is asked: a training and some reference rows come in, a table of influences comes out.

Each tool has a file of its own here, with one function a method. A method takes a culpa `Training` (its module, rows
and checkpoints), the reference rows, and a damping; None stands for the tool's own default. It gives (training rows,
reference rows), positive helps, on whatever scale the tool has: only ranks are compared.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from torch import Tensor

from culpa.influence.network import Training
from tests.benchmarks.cases import Array

__all__ = ["Explain", "Method", "correlations", "installed"]

Explain = Callable[[Training, Sequence[Tensor], float | None], Array]  # -> (training rows, reference rows)


@dataclass(frozen=True)
class Method:
    """One method of one tool."""

    tool: str  # the package to import
    title: str
    explain: Explain
    damped: bool = True  # takes a damping


def installed(tool: str) -> bool:
    """Tell whether a package can be imported here."""
    return importlib.util.find_spec(tool) is not None


def correlations(found: Array, truth: Array) -> Array:
    """Spearman correlation of each column with the same column of the other: (rows, columns) twice to (columns,)."""
    left, right = (_unit_ranks(one) for one in (found, truth))
    return (left * right).sum(axis=0)  # type: ignore[no-any-return]


def _unit_ranks(values: Array) -> Array:
    """Ranks within each column, centred and of length 1; nought where all are equal."""
    ranks = rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.sqrt((ranks**2).sum(axis=0))
    return ranks / np.where(length > 0, length, 1)  # type: ignore[no-any-return]
