"""Ingest: look at the input until it is understood, name its rows, and put them into the store in one short
transaction.

Everything that can be wrong with the input is found before the store is touched. The same input under the same
settings is the same run: nothing is written for it again.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from culpa.tasks import store as stores
from culpa.tasks.batch.dataset import DataSet, find_dataset
from culpa.tasks.brought import check_proxy
from culpa.tasks.errors import CulpaError
from culpa.tasks.fingerprint import run_id_of
from culpa.tasks.outside import keep_outside
from culpa.tasks.paths import check_paths
from culpa.tasks.read import Input, read_input
from culpa.tasks.remarks import messages
from culpa.tasks.settings import Settings
from culpa.tasks.staging import staging, staging_folder
from culpa.tasks.write_run import state_of, write_run


@dataclass(frozen=True)
class Ingested:
    """A run whose data lie in the store; only names and numbers, the rows stay where they are."""

    run_id: str
    dataset: str
    store: Path
    rows: int
    unlabelled: int
    classes: tuple[str, ...]  # in code order; empty for regression
    notes: tuple[str, ...]  # how the data was read
    warnings: tuple[str, ...]  # what looks wrong with it
    unchanged: bool  # the run was flagged before: there is nothing left to do
    onto: str | None = None  # of a batch: the full run that it came onto


def ingest(settings: Settings) -> Ingested:
    """Read the source (and the trusted file) into the store.

    Errors: BadInput says what is wrong with them, and then nothing was written.
    """
    stores.check_name(settings.store)
    check_paths(settings)
    check_proxy(settings)
    stores.check(settings.store)
    try:
        with staging_folder(settings.store) as folder:
            with staging(folder) as connection:
                onto = find_dataset(settings)
                found = read_input(connection, settings, onto)
            return _keep(folder, settings, found, onto)
    except duckdb.OutOfMemoryException as error:
        raise CulpaError(
            f"{settings.source_name} needs more memory than allowed: raise --memory-limit ({error})"
        ) from error
    except (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException, OSError) as error:
        raise CulpaError(
            f"cannot write beside or into the store {settings.store}: {error}; nothing of this run was kept"
        ) from error


def _keep(folder: Path, settings: Settings, found: Input, onto: DataSet | None) -> Ingested:
    run_id, root = run_id_of(found, settings), None
    if onto is not None and run_id != onto.run.run_id:  # else it is the full run's own input, come again
        root = onto.run.run_id
        run_id = run_id_of(found, settings, root)
    ingested = Ingested(
        run_id=run_id,
        dataset=settings.dataset_name,
        store=settings.store,
        rows=found.rows,
        unlabelled=found.label.unlabelled,
        classes=found.label.classes,
        notes=messages(found.remarks, "note"),
        warnings=messages(found.remarks, "warning"),
        unchanged=False,
        onto=root,
    )
    stores.create(settings.store)
    state = state_of(settings.store, run_id)
    if state is None:
        write_run(folder, settings, run_id, found, root)
    if not settings.keep_data:
        keep_outside(folder, settings.store, run_id)
    return replace(ingested, unchanged=state in ("flagged", "published"))
