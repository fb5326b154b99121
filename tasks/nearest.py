"""What the user probably meant: the names nearest to one that is not there."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message about a missing name.

    >>> nearest("lable", ["id", "label"])
    "; did you mean 'label'?"
    >>> nearest("y", ["id", "label"])
    '; there are: id, label'
    >>> nearest("y", [])
    ''
    """
    names = sorted(set(known))
    spelled = {one.lower(): one for one in names}
    close = [spelled[one] for one in get_close_matches(name.lower(), list(spelled), 3)]
    if close:
        return "; did you mean " + " or ".join(repr(one) for one in close) + "?"
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"; there are: {shown}" if names else ""
