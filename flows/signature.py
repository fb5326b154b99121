"""The fields of Settings as the parameters of a function: what the flow's form and the command line are made of."""

import inspect
from collections.abc import Iterator

from culpa.tasks.settings import Options


def keywords() -> Iterator[inspect.Parameter]:
    """`source`, then every option in the order of Options, with types and defaults."""
    yield inspect.Parameter("source", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str)
    for name, field in Options.model_fields.items():
        default = inspect.Parameter.empty if field.is_required() else field.default
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=field.annotation)
