"""The fields of Settings as the parameters of a function: what the flow's form and the command line are made of."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from culpa.tasks.settings import Options


def keywords() -> Iterator[inspect.Parameter]:
    """`source`, then every option in the order of Options, with types and defaults."""
    yield inspect.Parameter("source", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str)
    for name, field in Options.model_fields.items():
        default = inspect.Parameter.empty if field.is_required() else field.default
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=field.annotation)


def own(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that a function with `**options` names itself."""
    return [one for one in inspect.signature(function).parameters.values() if one.kind is not one.VAR_KEYWORD]


def options_beside(function: Callable[..., Any], leave_out: tuple[str, ...] = ()) -> list[inspect.Parameter]:
    """What its `**options` take: the fields of Options that it does not name itself."""
    named = {"source", *leave_out, *(parameter.name for parameter in own(function))}
    return [parameter for parameter in keywords() if parameter.name not in named]
