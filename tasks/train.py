"""Train: turn a run's labelled rows into features, fit the proxies, and leave all in the work folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import joblib
from numpy.typing import NDArray

from culpa.influence.assess import Progress, Trained, train_proxies
from culpa.influence.features import Role
from culpa.influence.rows import Rows
from culpa.tasks import prepare, work
from culpa.tasks.memory import limit_memory
from culpa.tasks.prepare import Part
from culpa.tasks.profiles import columns_of
from culpa.tasks.runs import Run, find_run
from culpa.tasks.settings import Settings
from culpa.tasks.store import connect

if TYPE_CHECKING:
    from culpa.tasks.ingest import Ingested

TRAINED = "trained.joblib"
RUN = "run.json"


@dataclass(frozen=True)
class Prepared:
    """What training left in the work folder."""

    trained: Trained
    rows: Rows  # the labelled rows, in canonical order
    row_ids: NDArray[Any]  # (rows,) of str
    reference: Rows | None  # the trusted rows
    reference_ids: NDArray[Any] | None
    classes: tuple[str, ...]  # label texts in code order; empty for regression


def train(ingested: "Ingested", settings: Settings, progress: Progress | None = None) -> Path:
    """Fit the proxies of a run; gives the work folder with features.npy, rows.parquet and trained.joblib."""
    folder = work.claim(settings.store, ingested.run_id)
    run = _order(settings, ingested.run_id, folder)
    rows, _ = prepare.read_rows(Part(folder, "rows"), run.classes)
    trained = train_proxies(rows, proxy=settings.proxy, seed=settings.seed, rounds=settings.rounds, progress=progress)
    joblib.dump(trained, folder / TRAINED)
    return folder


def load_prepared(folder: Path) -> Prepared:
    """Read back what `train` left."""
    known = json.loads((folder / RUN).read_text(encoding="utf-8"))
    classes = tuple(known["classes"])
    rows, row_ids = prepare.read_rows(Part(folder, "rows"), classes)
    reference, reference_ids = None, None
    if known["trusted"]:
        reference, reference_ids = prepare.read_rows(Part(folder, "reference"), classes)
    return Prepared(joblib.load(folder / TRAINED), rows, row_ids, reference, reference_ids, classes)


def _order(settings: Settings, run_id: str, folder: Path) -> Run:
    """Everything that needs the store, in one short reading; then the features, with the store closed."""
    sides = [Part(folder, "rows")]
    with connect(settings.store, read_only=True) as connection:
        run = find_run(connection, run_id)
        limit_memory(connection, settings.memory_limit, len(run.schema))
        roles = _roles(connection, run)
        if run.reference_table is not None:
            sides.append(Part(folder, "reference"))
        for side, table in zip(sides, (run.data_table, run.reference_table), strict=False):
            prepare.order_rows(connection, run, roles, columns_of(connection, str(table)), side)
    plan = prepare.fit(sides[0], roles, settings.seed)
    for side in sides:
        prepare.write_features(side, plan, roles, settings.chunk_rows)
    (folder / RUN).write_text(json.dumps({"classes": run.classes, "trusted": len(sides) > 1}), encoding="utf-8")
    return run


def _roles(connection: Any, run: Run) -> dict[str, Role]:
    """The columns that the model sees, by name, in an order that does not depend on the input's."""
    found = json.loads(connection.execute("SELECT columns FROM runs WHERE run_id = ?", [run.run_id]).fetchall()[0][0])
    return {one["name"]: cast(Role, one["role"]) for one in sorted(found, key=lambda one: one["name"]) if one["used"]}
