"""SQL that lies in .sql files beside the tasks, and names that are safe to put into it.

Values are always passed as parameters. Only names (tables, columns) are put into a statement's text, and only through
`quoted`.
"""

import re
from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """The text of tasks/<name>.sql."""
    return files("culpa.tasks").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def filled(name: str, **parts: str) -> str:
    """The text of tasks/<name>.sql with each {part} replaced by SQL of `quoted` names; $name stays a parameter.

    Comments stay as they are: a name with a line break would end the comment, and the rest of it be SQL.
    """
    return re.sub(r"--[^\n]*|\{(\w+)\}", lambda found: parts.get(found[1], found[0]), statement(name))


def quoted(name: str) -> str:
    """A table or column name as SQL takes it, whatever it contains.

    >>> quoted('the "best" column')
    '"the ""best"" column"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as SQL takes it, for the few places that accept no parameter.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
