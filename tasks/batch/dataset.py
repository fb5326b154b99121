"""The data set that a batch comes onto: its columns, roles and classes hold for the batch as well."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.nearest import nearest
from culpa.tasks.roles import Column
from culpa.tasks.runs import Run, find_run
from culpa.tasks.sources import Source
from culpa.tasks.sql import quoted
from culpa.tasks.store import connect
from culpa.tasks.views import stored_columns, use_current_views

if TYPE_CHECKING:
    from culpa.tasks.settings import Settings

__all__ = ["DataSet", "check_root", "find_dataset"]


@dataclass(frozen=True)
class DataSet:
    """What was flagged before, by its full run."""

    run: Run  # the full run; other batches may have come onto it
    columns: tuple[Column, ...]  # in the data set's order
    kinds: dict[str, str]  # column -> DuckDB's type, in the same order

    @property
    def schema(self) -> pa.Schema:
        """The exact schema, which the cleaned batch gets as well."""
        return self.run.schema

    def shaped(self, source: Source) -> Source:
        """The source with the data set's columns in its order; BadInput names what is missing or new."""
        names, came = list(self.kinds), source.schema.names
        missing = [f"{name!r}{nearest(name, came)}" for name in names if name not in came]
        unknown = [repr(name) for name in came if name not in names]
        if missing or unknown:
            said = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"brings {', '.join(unknown)}"] * bool(unknown)
            raise BadInput(
                f"{source.name} does not fit the data set {self.run.dataset}: it {' and '.join(said)}; bring the same "
                "columns, or clean all of the data again without --onto"
            )
        relation = f"(SELECT {', '.join(quoted(name) for name in names)} FROM {source.relation})"
        return replace(source, relation=relation, schema=self.schema)


def find_dataset(settings: "Settings") -> DataSet | None:
    """The data set that the settings want the input to come onto; None if there is none yet, or none is wanted.

    Errors: BadInput for another label or key than the data set's, and for one whose data the store does not keep.
    """
    if settings.onto is None or not Path(settings.store).exists():
        return None
    with connect(settings.store, read_only=True) as connection:
        use_current_views(connection)
        asked = "SELECT run_id FROM current_runs WHERE dataset = ? AND onto IS NULL"
        found = connection.execute(asked, [settings.onto]).fetchall()
        return _dataset(connection, find_run(connection, found[0][0]), settings) if found else None


def check_root(connection: duckdb.DuckDBPyConnection, run: Run, settings: "Settings") -> None:
    """Refuse to write a batch onto what is no longer the data set's full run, or a second beginning of a data set.

    Errors: CulpaError: another process was faster, and the same command run again does the right thing.
    """
    if settings.onto is None and run.onto is None:
        return
    asked = """SELECT run_id, flagged_at >= ? FROM runs
               WHERE dataset = ? AND onto IS NULL AND flagged_at IS NOT NULL AND run_id <> ?
               ORDER BY flagged_at DESC, created_at DESC, run_id LIMIT 1"""
    others = connection.execute(asked, [run.created_at, run.dataset, run.run_id]).fetchall()
    root = others[0][0] if others else None
    overtaken = root != run.onto if run.onto is not None else bool(others and others[0][1])
    if overtaken:
        raise CulpaError(
            f"the data set {run.dataset} rests on the full run {root} since {run.run_id} was begun; nothing of this "
            "was kept: run the same command again, and its rows come onto that"
        )


def _dataset(connection: duckdb.DuckDBPyConnection, run: Run, settings: "Settings") -> DataSet:
    for what, wanted, known in (("label", settings.label, run.label), ("key", settings.key, run.key_column)):
        if wanted != known:
            raise BadInput(f"the {what} of the data set {run.dataset} is {known!r}, got {wanted!r}: name the same one")
    if not run.keeps_data:
        raise BadInput(
            f"the store keeps no data of {run.dataset} (run {run.run_id}), and a batch is judged beside its accepted "
            "rows: clean all of the data again, or keep the data"
        )
    told = json.loads(connection.execute("SELECT columns FROM runs WHERE run_id = ?", [run.run_id]).fetchall()[0][0])
    kinds = dict(zip(run.schema.names, stored_columns(connection, run.data_table).values(), strict=True))
    return DataSet(run, tuple(Column(**one) for one in told), kinds)
