"""The plan of a table's features: fitted once on the training rows, then the same for every row that comes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.influence.features.categorical import fit_categorical
from culpa.influence.features.columns import Columns, Part, Role, check_columns, check_roles
from culpa.influence.features.numeric import fit_numeric
from culpa.influence.features.text import fit_text
from culpa.influence.features.timestamp import fit_timestamp

BLOCK = 16_384  # rows


@dataclass(frozen=True)
class Features:
    """What turns columns into the matrix of features; picklable."""

    roles: Mapping[str, Role]  # all columns that must come, those without a feature included
    parts: Mapping[str, Part]  # column -> its features, in their order in the matrix

    @property
    def names(self) -> tuple[str, ...]:
        """Name each feature, in the order of the matrix."""
        return tuple(name for part in self.parts.values() for name in part.names)

    def transform(self, columns: Columns) -> NDArray[np.float32]:  # (rows, features)
        """Turn columns into features, a block of rows at a time: peak memory is the result and a block."""
        rows = check_columns(columns, self.roles)
        matrix = np.empty((rows, len(self.names)), dtype=np.float32)
        for start in range(0, rows, BLOCK):
            self.write(
                {name: columns[name][start : start + BLOCK] for name in self.parts}, matrix[start : start + BLOCK]
            )
        return matrix

    def write(self, columns: Mapping[str, NDArray[Any]], out: NDArray[np.float32]) -> None:
        """Fill one block, (rows, features)."""
        first = 0
        for name, part in self.parts.items():
            last = first + len(part.names)
            part.write(columns[name], out[:, first:last])
            first = last


def fit_features(columns: Columns, roles: Mapping[str, Role], *, seed: int) -> Features:
    """Fit the features of the columns that have a role; a column that does not vary gets none.

    The order of the features is the order of `roles`; the seed is for the singular directions of texts alone.

    >>> import numpy as np
    >>> columns = {"age": np.array([20.0, 30.0, np.nan]), "city": np.array(["Rome", "Oslo", "Rome"], dtype=object)}
    >>> plan = fit_features(columns, {"age": "numeric", "city": "categorical"}, seed=0)
    >>> plan.names
    ('age', 'age is missing', 'city=Rome', 'city is rare')
    >>> plan.transform(columns).shape
    (3, 4)
    """
    check_roles(roles)
    if check_columns(columns, roles) == 0:
        raise ValueError(
            f"no rows came in {len(roles)} columns with a role, needed two that differ or more: pass the training rows"
        )
    numeric = fit_numeric(
        {
            name: columns[name].astype(float, copy=False)
            for name, role in roles.items()
            if role in ("numeric", "boolean")
        }
    )
    fitted = {name: numeric.get(name) or fit_part(name, role, columns[name], seed) for name, role in roles.items()}
    parts = {name: part for name, part in fitted.items() if part is not None and part.names}
    if not parts:
        raise ValueError(
            f"none of the columns {', '.join(map(repr, roles))} varies, needed one that does: "
            "a model cannot tell these rows apart; pass more columns or more rows"
        )
    return Features(dict(roles), parts)


def fit_part(name: str, role: Role, values: NDArray[Any], seed: int) -> Part | None:
    """Fit the features of one column that is not of numbers."""
    if role == "timestamp":
        return fit_timestamp(name, values.astype(float, copy=False))
    return fit_categorical(name, values) if role == "categorical" else fit_text(name, values, seed=seed)
