"""What every tool is asked: a training and some reference rows come in, a table of influences comes out.

Each tool has a file of its own here, with one function a method. A method takes a culpa `Training` (its module, rows
and checkpoints), the reference rows, and a damping; None stands for the tool's own default. It gives (training rows,
reference rows), positive helps, on whatever scale the tool has: only ranks are compared.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from culpa.influence.network import Training
from tests.benchmarks.cases import Array

__all__ = ["Explain", "Method", "installed"]

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
