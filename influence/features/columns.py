"""What a column may be, what is refused, and what every role promises to the plan."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

Role = Literal["numeric", "boolean", "categorical", "text", "timestamp"]
Columns = Mapping[str, NDArray[Any]]  # name -> (rows,)

NUMBERS = ("numeric", "boolean", "timestamp")


class Part(Protocol):
    """The features that one column turns into. Fitted, frozen, picklable."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name each feature."""

    def write(self, values: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Fill `out`, (rows, features), from the column's values of the same rows."""


def check_roles(roles: Mapping[str, Role]) -> None:
    """Refuse a role that nobody knows."""
    for name, role in roles.items():
        if role not in get_args(Role):
            raise ValueError(
                f"column {name!r} has the role {role!r}, needed one of {', '.join(get_args(Role))}: correct it"
            )


def check_columns(columns: Columns, roles: Mapping[str, Role]) -> int:
    """Refuse columns that a plan cannot read; count their rows."""
    absent = [name for name in roles if name not in columns]
    if absent:
        raise ValueError(
            f"no column {', '.join(map(repr, absent))} among {', '.join(map(repr, columns)) or 'no columns at all'}: "
            f"needed all of {', '.join(map(repr, roles))}; pass the columns that the plan was fitted on"
        )
    lengths = {name: len(columns[name]) for name in roles}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"columns of different lengths came: {lengths}; needed one value a row; cut them by the same index"
        )
    for name, role in roles.items():
        check_column(name, role, columns[name])
    return next(iter(lengths.values()), 0)


def check_column(name: str, role: Role, values: NDArray[Any]) -> None:
    """Refuse a column whose type or values do not fit its role."""
    if values.ndim != 1:
        raise ValueError(f"column {name!r} has the shape {values.shape}, needed (rows,): pass one array per column")
    if role in NUMBERS:
        check_numbers(name, role, values)
    else:
        check_strings(name, role, values)


def check_numbers(name: str, role: Role, values: NDArray[Any]) -> None:
    """Refuse what is no number, and infinity; NaN means missing."""
    if values.dtype.kind not in "fiub":
        raise TypeError(
            f"{role} column {name!r} came as {values.dtype}, needed float64 with NaN for missing: "
            "convert it, or give it the role categorical"
        )
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise ValueError(
            f"{role} column {name!r} is infinite in {len(infinite)} rows (first at position {infinite[0]}), "
            "needed finite numbers: put NaN there to say that they are missing, or a real number"
        )


def check_strings(name: str, role: Role, values: NDArray[Any]) -> None:
    """Refuse what is neither a string nor None."""
    if values.dtype.kind == "U":
        return
    if values.dtype != object:
        raise TypeError(
            f"{role} column {name!r} came as {values.dtype}, needed an object array of str or None: "
            "convert it, or give it the role numeric"
        )
    kinds = set(map(type, values)) - {str, np.str_, type(None)}
    if kinds:
        came = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(
            f"{role} column {name!r} holds {came}, needed str or None: "
            "convert the values to text, and missing ones to None"
        )
