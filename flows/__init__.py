"""The stories: flag, publish and clean a table, watch a folder of them; as Prefect flows and on the command line.

    from culpa.flows import clean
    result = clean("train.parquet", label="label", key="id", store="culpa.duckdb", out="cleaned.parquet")

Each flow has the name of the file it lies in (a deployment's entry point is `culpa.flows.clean.clean`), and Prefect is
imported only once a flow is asked for, so that the command line answers at once.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from culpa.flows.clean import clean as clean
    from culpa.flows.flag import flag as flag
    from culpa.flows.publish import publish as publish
    from culpa.flows.watch import watch as watch

__all__ = ["clean", "flag", "publish", "watch"]


class _FlowOfTheSameName:
    """Hands out the flow `name` of the module `name`, and outlives the import system's setting of the module itself."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, package: object, owner: type) -> Any:
        return getattr(import_module(f"{__name__}.{self.name}"), self.name)

    def __set__(self, package: object, module: ModuleType) -> None:
        """The import system notes every loaded submodule here; sys.modules is where it looks them up."""


class _Flows(ModuleType):
    clean = _FlowOfTheSameName("clean")
    flag = _FlowOfTheSameName("flag")
    publish = _FlowOfTheSameName("publish")
    watch = _FlowOfTheSameName("watch")


sys.modules[__name__].__class__ = _Flows
