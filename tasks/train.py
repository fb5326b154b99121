"""Train: turn a run's labelled rows into features, fit the proxies, and leave all in the work folder."""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import joblib
import numpy as np
from numpy.typing import NDArray

from culpa.influence.assess import Progress, Trained, train_proxies
from culpa.influence.features import Role
from culpa.influence.gate.split import choosing_and_judging
from culpa.influence.proxies import AUTO, ProxyOptions, is_brought
from culpa.influence.rows import Rows
from culpa.tasks import prepare, tokens, work
from culpa.tasks.batch import base
from culpa.tasks.batch.order import batch_plan, is_fresh, more_sides, order_batch
from culpa.tasks.brought import code_of
from culpa.tasks.errors import BadInput
from culpa.tasks.memory import limit_memory
from culpa.tasks.outside import attach_data, outside_data
from culpa.tasks.prepare import Part
from culpa.tasks.profiles import columns_of
from culpa.tasks.reference_sets import JUDGING
from culpa.tasks.runs import Run, find_run
from culpa.tasks.settings import Settings
from culpa.tasks.store import connect

if TYPE_CHECKING:
    from culpa.tasks.ingest import Ingested

TRAINED = "trained.joblib"  # read by the process that wrote it, never by a later run
RUN = "run.json"


@dataclass(frozen=True)
class Prepared:
    """What preparing and training left in the work folder."""

    folder: Path
    rows: Rows  # the labelled rows, in canonical order
    row_ids: NDArray[Any]  # (rows,) of str
    reference: Rows | None  # the trusted rows that scoring may look at: half of them, where a gate judges by the others
    reference_ids: NDArray[Any] | None
    judging: Rows | None  # the trusted rows that only the gate looks at, but for those that lie among the rows
    classes: tuple[str, ...]  # label texts in code order; empty for regression
    words: tuple[str, ...]  # in token order; empty where no proxy reads
    others: dict[str, Rows]  # the other sets of reference rows, by name
    is_fresh: NDArray[np.bool_] | None = None  # of a batch: (rows,) those that it brings, the others stand beside them

    @cached_property
    def trained(self) -> Trained:
        """The trained proxies."""
        return cast(Trained, joblib.load(self.folder / TRAINED))

    @property
    def is_trained(self) -> bool:
        """Whether the folder holds trained proxies."""
        return (self.folder / TRAINED).is_file()


def train(ingested: "Ingested", settings: Settings, progress: Progress | None = None) -> Path:
    """Fit the proxies of a run; gives the run's work folder with its rows, features and trained proxies."""
    folder = work.claim(settings.store, ingested.run_id)
    train_in(folder, ingested.run_id, settings, progress)
    return folder


def train_in(folder: Path, run_id: str, settings: Settings, progress: Progress | None = None) -> None:
    """The same in any folder: `load_prepared` reads it back."""
    prepare_in(folder, run_id, settings, scoring=True)
    if not (folder / RUN).is_file():
        return  # a batch of rows that were scored before
    prepared = load_prepared(folder)
    if base.joins(folder):  # a kept model scores the batch: the proxies only bear witness, and need no rounds
        settings = settings.model_copy(update={"rounds": 0})
    joblib.dump(fit(prepared.rows, settings, proxy_options(prepared, settings), progress), folder / TRAINED)


def proxy_options(prepared: Prepared, settings: Settings) -> ProxyOptions:
    """How a network among the proxies is trained and judged."""
    return ProxyOptions(
        method=settings.method,
        layers=settings.layers or None,
        held_out=prepared.reference,
        kept=work.kept_folder(settings.store) if settings.cache and settings.keep_data else None,
        code=f"{version('culpa')} {code_of(settings.proxy)}",
    )


def fit(labelled: Rows, settings: Settings, options: ProxyOptions, progress: Progress | None) -> Trained:
    """The proxies that the settings ask for. Errors: BadInput where one that is no built-in does not fit the rows."""
    proxy, seed, rounds = settings.proxy, settings.seed, settings.rounds
    try:
        return train_proxies(labelled, proxy=proxy, seed=seed, rounds=rounds, options=options, progress=progress)
    except ValueError as error:
        if proxy in ("auto", *AUTO):
            raise
        raise BadInput(f"the proxy {proxy} cannot be used on these rows: {error}") from error


def load_prepared(folder: Path) -> Prepared:
    """Read back what `train`, or `prepare_in` alone, left."""
    known = json.loads((folder / RUN).read_text(encoding="utf-8"))
    classes = tuple(known["classes"])
    read = {name: prepare.read_rows(Part(folder, name), classes) for name in known["sides"]}
    rows, row_ids = read.pop(prepare.ROWS)
    judging = read.pop(JUDGING, (None, None))[0]
    reference, reference_ids = read.pop(next(iter(read))) if read else (None, None)
    if reference is not None and reference_ids is not None and known["halved"]:
        choosing, judges = choosing_and_judging(reference)
        judging = reference.take(judges)
        reference, reference_ids = reference.take(choosing), reference_ids[choosing]
    sets = {name: found for name, (found, _) in read.items()}
    words = prepare.words_of(folder)
    fresh = is_fresh(folder) if known["onto"] else None
    return Prepared(folder, rows, row_ids, reference, reference_ids, judging, classes, words, sets, fresh)


def _sides(folder: Path, run: Run) -> list[Part]:
    """The rows, then each set of reference rows."""
    sets = [Part(folder, one["name"], one["table"]) for one in run.reference_sets]
    return [Part(folder, prepare.ROWS, run.data_table), *sets]


def prepare_in(folder: Path, run_id: str, settings: Settings, *, scoring: bool = False) -> None:
    """Everything that needs the store, in one short reading; then the features, with the store closed.

    With `scoring` a batch also gets what its scores need, the model of its data set and the scores that it carries on;
    where it brings nothing to be scored, nothing else is prepared.
    """
    outside_of = nullcontext() if settings.keep_data else outside_data(settings.store, run_id)
    with outside_of as outside, connect(settings.store, read_only=True) as connection:
        run = find_run(connection, run_id)
        attach_data(connection, run, outside)
        limit_memory(connection, settings.memory_limit, len(run.schema))
        roles = _roles(connection, run)
        sides = _sides(folder, run)
        grows = run.onto is not None and order_batch(connection, run, roles, sides[0], settings, scoring=scoring)
        if grows is None:
            return
        for side in sides[1:] if run.onto else sides:
            prepare.order_rows(connection, run, roles, columns_of(connection, side.data), side)
    if settings.proxy == "text" or is_brought(settings.proxy) or settings.judge is not None:
        tokens.write_tokens(sides, roles, settings.chunk_rows, needed=settings.proxy == "text")
    plan = batch_plan(folder, roles, settings) if grows else prepare.fit(sides[0], roles, settings.seed)
    prepare.note_columns(folder, plan)
    for side in [*sides, *(more_sides(folder) if run.onto else [])]:
        prepare.write_features(side, plan, roles, settings.chunk_rows)
    known = {
        "classes": run.classes,
        "sides": [side.name for side in sides],
        "halved": bool(run.settings.get("halved")),
        "onto": run.onto,
    }
    (folder / RUN).write_text(json.dumps(known), encoding="utf-8")


def _roles(connection: Any, run: Run) -> dict[str, Role]:
    """The columns that the model sees, by name, in an order that does not depend on the input's."""
    found = json.loads(connection.execute("SELECT columns FROM runs WHERE run_id = ?", [run.run_id]).fetchall()[0][0])
    return {one["name"]: cast(Role, one["role"]) for one in sorted(found, key=lambda one: one["name"]) if one["used"]}
