"""The command line's options for a story: the fields of Settings again, with their descriptions as help."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Parameter

from culpa.flows.signature import keywords, options_beside, own
from culpa.tasks.settings import Settings

Plain = Annotated[
    bool, Parameter(negative="", show_default=False, help="run without an orchestrator: no server is started")
]
Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False, help="print the result as JSON")]

OFF = {"keep_data": "--no-data"}  # switches whose opposite has a name of its own


def takes_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `(source, plain, json_output, **options)` the fields of Settings as its options."""
    switches = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in (("plain", Plain), ("json_output", Json))
    ]
    parameters = [_with_help(parameter) for parameter in keywords()] + switches
    return _declared(command, parameters)


def takes_options(*leave_out: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command with parameters of its own and `**options` the fields of Options beside them."""

    def declare(command: Callable[..., Any]) -> Callable[..., Any]:
        return _declared(command, own(command) + [_with_help(one) for one in options_beside(command, leave_out)])

    return declare


def _declared(command: Callable[..., Any], parameters: list[inspect.Parameter]) -> Callable[..., Any]:
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _with_help(parameter: inspect.Parameter) -> inspect.Parameter:
    shown = parameter.default not in (None, ())
    negative = None if parameter.default is True else ""  # what is on can be switched off: --no-calibrate
    negative = OFF.get(parameter.name, negative)
    about = Parameter(help=Settings.model_fields[parameter.name].description, negative=negative, show_default=shown)
    kind = inspect.Parameter.POSITIONAL_ONLY if parameter.name == "source" else parameter.kind
    return parameter.replace(annotation=Annotated[parameter.annotation, about], kind=kind)
