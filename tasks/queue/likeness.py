"""Which labelled rows are most like this one? A cheap answer, by the columns themselves and no model.

The distance of two rows is the mean over their columns of a distance in [0, 1]: of numbers |x - y| / range, where the
range spans 98 % of the values; of categories 0 or 1; of texts the share of their words that only one of them has.

    Source: Gower 1971, "A general coefficient of similarity and some of its properties".

Compared with a sample of a run's rows, so the truly nearest row of a large table may not be among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from culpa.tasks.queue.cells import table_exists
from culpa.tasks.runs import Run
from culpa.tasks.sql import filled, quoted

__all__ = ["Likeness", "read_likeness"]

MOST_ROWS = 20_000  # of the sample
MOST_COLUMNS = 64
LONGEST = 2_000  # characters of a text that are compared
ROLES = ("numeric", "boolean", "categorical", "text", "timestamp")


@dataclass(frozen=True)
class Likeness:
    """The sample: names, labels, and its columns ready for comparing."""

    row_ids: NDArray[Any]
    labels: NDArray[Any]
    columns: Mapping[str, "Numbers | Categories | Texts"]
    table: pa.Table  # the columns as they are

    def nearest(
        self, row_id: str, values: Mapping[str, Any], allowed: Mapping[str, NDArray[np.bool_]], most: int
    ) -> dict[str, list[int]]:
        """For each kind of allowed rows the places in the sample of the nearest, nearest first."""
        distances = self.distances(values)
        distances[self.row_ids == row_id] = np.inf
        return {kind: _least(np.where(mask, distances, np.inf), most) for kind, mask in allowed.items()}

    def distances(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """The distance of a row to each of the sample, in [0, 1]."""
        total = np.zeros(len(self.row_ids))
        for name, column in self.columns.items():
            total += column.distances(values.get(name))
        return total / max(1, len(self.columns))

    def values(self, place: int) -> dict[str, Any]:
        """The columns of one row of the sample."""
        return {name: self.table[name][place].as_py() for name in self.columns}


@dataclass(frozen=True)
class Numbers:
    """A column of numbers."""

    values: NDArray[np.float64]
    span: float

    @classmethod
    def of(cls, values: Sequence[Any]) -> "Numbers":
        """Values that are no number are missing."""
        numbers = np.array([_number(value) for value in values])
        known = numbers[np.isfinite(numbers)]
        span = float(np.subtract(*np.quantile(known, [0.99, 0.01]))) if len(known) else 0.0
        return cls(numbers, span or 1.0)

    def distances(self, value: Any) -> NDArray[np.float64]:
        """A missing number is as far as can be from a known one, and near to another missing one."""
        number = _number(value)
        if not np.isfinite(number):
            return np.isfinite(self.values).astype(np.float64)
        return np.nan_to_num(np.minimum(np.abs(self.values - number) / self.span, 1.0), nan=1.0)


@dataclass(frozen=True)
class Categories:
    """A column of categories."""

    values: NDArray[Any]

    def distances(self, value: Any) -> NDArray[np.float64]:
        """0 where equal, else 1."""
        different: NDArray[np.bool_] = self.values != (None if value is None else str(value))
        return different.astype(np.float64)


@dataclass(frozen=True)
class Texts:
    """A column of texts, as the sets of words that they hold."""

    words: Any  # sparse (rows, hashed words), 0 or 1
    sizes: NDArray[np.float64]

    @classmethod
    def of(cls, values: Sequence[Any]) -> "Texts":
        """Words are hashed, so that two of them may rarely count as one."""
        words = _hashed([_beginning(value) for value in values])
        return cls(words, np.asarray(words.sum(axis=1)).ravel())

    def distances(self, value: Any) -> NDArray[np.float64]:
        """One less the Jaccard index."""
        own = _hashed([_beginning(value)])
        shared = np.asarray((self.words @ own.T).todense()).ravel()
        union = self.sizes + own.sum() - shared
        alike: NDArray[np.float64] = np.divide(shared, union, out=np.ones_like(union), where=union > 0)
        return 1.0 - alike


def read_likeness(connection: duckdb.DuckDBPyConnection, run: Run, roles: Mapping[str, str]) -> Likeness | None:
    """The sample of a run's labelled rows; None where the store keeps no data of them, or nothing can be compared."""
    used = [name for name in roles if roles[name] in ROLES and name in run.schema.names][:MOST_COLUMNS]
    if not used or not table_exists(connection, run.data_table):
        return None
    columns = ", ".join(f"data.{quoted(name)}" for name in used)
    table = connection.sql(
        filled("queue/sample", columns=columns, data=quoted(run.data_table)),
        params={"run_id": run.run_id, "most": MOST_ROWS},
    ).to_arrow_table()
    own = table.select(range(2, 2 + len(used))).rename_columns(used)
    return Likeness(
        np.array(table.column(0).to_pylist(), dtype=np.object_),
        np.array(table.column(1).to_pylist(), dtype=np.object_),
        {name: _column(roles[name], own[name].to_pylist()) for name in used},
        own,
    )


def _least(distances: NDArray[np.float64], most: int) -> list[int]:
    """Places of the smallest finite distances, the smallest first."""
    most = min(most, len(distances))
    if most == 0:
        return []
    first = np.argpartition(distances, most - 1)[:most]
    return [int(place) for place in first[np.argsort(distances[first], kind="stable")] if np.isfinite(distances[place])]


def _column(role: str, values: Sequence[Any]) -> Numbers | Categories | Texts:
    if role == "text":
        return Texts.of(values)
    if role in ("numeric", "timestamp"):
        return Numbers.of(values)
    return Categories(np.array([None if value is None else str(value) for value in values], dtype=np.object_))


def _number(value: Any) -> float:
    """A number or a point in time as a number; NaN for anything else."""
    try:
        return float(value.timestamp() if hasattr(value, "timestamp") else value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _beginning(value: Any) -> str:
    return "" if value is None else str(value)[:LONGEST]


def _hashed(texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer  # slow to import, and only texts need it

    return HashingVectorizer(n_features=2**18, binary=True, norm=None, alternate_sign=False).transform(texts)
