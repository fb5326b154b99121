"""A story over Settings becomes a flow whose parameters are the fields of Settings: written once, typed, and a form.

The story takes one Settings object. The flow takes `source` and, by keyword, every field of Options with its default
and its description; Prefect makes its form from that signature, and type checkers read the same keywords off Options.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from prefect import Flow
from prefect.runtime import flow_run

from culpa.flows.signature import keywords
from culpa.tasks.settings import Options, Settings, Source, read_settings

P = ParamSpec("P")
R = TypeVar("R")


class TableFlow(Flow[P, R]):
    """A flow that also takes a table in memory: the server is told what kind of table it was, never its rows."""

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        source = parameters.get("source")
        shown = source if source is None or isinstance(source, str | Path) else f"<{type(source).__name__}>"
        return super().serialize_parameters({**parameters, "source": shown})


def table_flow(
    options: Callable[P, Options], **flow_options: Any
) -> Callable[[Callable[[Settings], R]], TableFlow[Concatenate[Source, P], R]]:
    """Make a flow of a story over Settings; `options` is the class whose fields become the keywords."""

    def as_flow(story: Callable[[Settings], R]) -> TableFlow[Concatenate[Source, P], R]:
        named = {"flow_run_name": lambda: _run_name(story.__name__), **flow_options}
        return TableFlow(_over_keywords(story), validate_parameters=False, **named)  # Settings validates

    return as_flow


def _run_name(verb: str) -> str:
    return f"{verb} {Settings.model_construct(**flow_run.parameters).dataset_name}"


def _over_keywords(story: Callable[[Settings], R]) -> Callable[..., R]:
    def run(source: Source, **options: object) -> R:
        return story(read_settings(source, **options))

    run.__signature__ = inspect.Signature(list(keywords()))  # type: ignore[attr-defined]
    run.__doc__ = f"{inspect.getdoc(story)}\n\n{_arguments()}"
    run.__name__ = run.__qualname__ = story.__name__
    run.__module__ = story.__module__
    return run


def _arguments() -> str:
    lines = [f"    {name}: {Settings.model_fields[name].description}" for name in ("source", *Options.model_fields)]
    return "\n".join(["Args:", *lines])
