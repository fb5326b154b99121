"""A story over Settings becomes a flow whose parameters are the fields of Settings: written once, typed, and a form.

The story takes one Settings object. The flow takes `source` and, by keyword, every field of Options with its default
and its description; Prefect makes its form from that signature, and type checkers read the same keywords off Options.
"""

import inspect
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

from prefect import Flow
from prefect.runtime import flow_run

from culpa.flows.signature import keywords, options_beside, own
from culpa.tasks.locations import redacted
from culpa.tasks.settings import Options, Settings, Source, read_settings

P = ParamSpec("P")
R = TypeVar("R")


class TableFlow(Flow[P, R]):
    """A flow that also takes a table in memory: the server is told what kind of table it was, never its rows.

    Nor is it told a password in a URL, which the story then refuses.
    """

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        shown = dict(parameters)
        if not isinstance(shown.get("source"), str | Path | None):
            shown["source"] = f"<{type(shown['source']).__name__}>"
        if isinstance(shown.get("notify"), str):  # the path of a chat's address is its secret
            shown["notify"] = "{0.scheme}://{0.hostname}".format(urlsplit(shown["notify"]))
        told = super().serialize_parameters(shown)
        return {name: _without_secrets(value) for name, value in told.items()}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_without_secrets(one) for one in value]
    return redacted(value) if isinstance(value, str) and "://" in value else value


def table_flow(
    options: Callable[P, Options], **flow_options: Any
) -> Callable[[Callable[[Settings], R]], TableFlow[Concatenate[Source, P], R]]:
    """Make a flow of a story over Settings; `options` is the class whose fields become the keywords."""

    def as_flow(story: Callable[[Settings], R]) -> TableFlow[Concatenate[Source, P], R]:
        named = {
            "flow_run_name": lambda: _run_name(story.__name__),
            "timeout_seconds": timeout_seconds(),
            **flow_options,
        }
        return TableFlow(_over_keywords(story), validate_parameters=False, **named)  # Settings validates

    return as_flow


def discreet_flow(**flow_options: Any) -> Callable[[Callable[P, R]], TableFlow[P, R]]:
    """Make a flow of a function as it is; what a URL must not hold is not told to the server."""
    return lambda function: TableFlow(function, **flow_options)


def options_flow(*leave_out: str, **flow_options: Any) -> Callable[[Callable[..., R]], TableFlow[..., R]]:
    """Make a flow of a function with parameters of its own and `**options`: these are the fields of Options."""

    def as_flow(function: Callable[..., R]) -> TableFlow[..., R]:
        def run(*values: Any, **named: Any) -> R:
            return function(*values, **named)

        options = options_beside(function, leave_out)
        run.__signature__ = inspect.Signature(own(function) + options)  # type: ignore[attr-defined]
        run.__doc__ = f"{inspect.getdoc(function)}\n{_described(one.name for one in options)}"
        run.__name__ = run.__qualname__ = function.__name__
        run.__module__ = function.__module__
        return TableFlow(run, validate_parameters=False, timeout_seconds=timeout_seconds(), **flow_options)

    return as_flow


def timeout_seconds() -> float | None:
    """After how long a flow run gives up: CULPA_TIMEOUT_SECONDS, which a deployment can set; None: never."""
    return float(os.environ.get("CULPA_TIMEOUT_SECONDS", "0")) or None


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
    return "Args:\n" + _described(("source", *Options.model_fields))


def _described(names: Iterable[str]) -> str:
    return "\n".join(f"    {name}: {Settings.model_fields[name].description}" for name in names)
