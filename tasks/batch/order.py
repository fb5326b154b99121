"""What a batch needs of the store, read at one go: its rows and those beside them, what it carries on, what has moved.

A linear model of the data set is kept from batch to batch (`base`). It needs only the rows that joined or left since,
read by the features that it was fitted on; where none is kept yet, all accepted rows are read once.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from culpa.influence.features import Features, Role
from culpa.tasks import prepare
from culpa.tasks.batch import base
from culpa.tasks.batch.carried import copy_carried
from culpa.tasks.batch.drift import copy_sources
from culpa.tasks.batch.sides import REFUSED, REFUSED_BESIDE, REFUSED_ROWS, count, order_sides, sort_rows
from culpa.tasks.prepare import Part
from culpa.tasks.profiles import columns_of
from culpa.tasks.runs import Run

if TYPE_CHECKING:
    from culpa.tasks.settings import Settings

__all__ = ["batch_plan", "is_fresh", "more_sides", "order_batch", "rows_beside"]


def order_batch(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    roles: dict[str, Role],
    part: Part,
    settings: "Settings",
    *,
    scoring: bool,
) -> bool | None:
    """Copy a batch's rows, and those beside them, out of the store; whether a kept or new model will score it.

    None where nothing is to be scored: then only what is carried on was copied.
    """
    types = columns_of(connection, part.data)
    sort_rows(connection, run, part.folder)
    if scoring:
        copy_carried(connection, run, part.folder)
        copy_sources(connection, run, part.folder, settings.source_column)
        if not count(connection, "fresh"):
            return None
    order_sides(connection, run, roles, types, part)
    grows = scoring and _grows(connection, settings)
    if grows:
        _bring_model(connection, run, part.folder, settings)
    parts = {REFUSED: REFUSED_ROWS if grows else REFUSED_BESIDE} | (base.QUERIES if grows else {})
    for name, rows in parts.items():
        order_sides(connection, run, roles, types, base.part(part.folder, name, part.data), rows)
    return grows


def _bring_model(connection: duckdb.DuckDBPyConnection, run: Run, folder: Path, settings: "Settings") -> None:
    """Bring the kept model, unless so many rows join and leave that it is better to begin again."""
    kept = base.find(settings.store, run, settings.seed)
    base.sort_members(connection, kept, folder)
    if base.is_kept(folder):
        moving = sum(count(connection, f"({query})") for query in base.QUERIES.values()) + count(connection, "fresh")
        if base.would_be_stale(folder, moving):
            base.forget(folder)
            base.sort_members(connection, None, folder)


def more_sides(folder: Path) -> list[Part]:
    """What was copied beside the rows: refused ones; and those that join and leave the model, or begin it."""
    parts = [base.part(folder, name) for name in (REFUSED, *base.QUERIES)]
    return [one for one in parts if one.columns.is_file()]


def batch_plan(folder: Path, roles: dict[str, Role], settings: "Settings") -> Features:
    """The features that the model was fitted on, or, where it begins, will be."""
    return prepare.fit(base.sample(folder), roles, settings.seed)


def is_fresh(folder: Path) -> NDArray[np.bool_]:
    """Of the batch's rows and those beside them, in canonical order: which the batch brings to be scored. (rows,)."""
    found = pq.read_table(Part(folder, prepare.ROWS).names, columns=["is_fresh"])["is_fresh"]
    return np.asarray(found.to_numpy(), np.bool_)


def rows_beside(folder: Path, run_id: str) -> pa.Table:
    """The same rows as the table `rows` has those of a run, with the suspicion that each had before."""
    found = pq.read_table(Part(folder, prepare.ROWS).names)
    return found.append_column("run_id", pa.array([run_id] * len(found), pa.string()))


def _grows(connection: Any, settings: "Settings") -> bool:
    """Whether the linear model grows: where it judges alone and without trusted rows, and not all rows stand beside."""
    alone = settings.proxy == "linear" and not settings.references and settings.cache
    return alone and count(connection, "accepted") > count(connection, "beside")
