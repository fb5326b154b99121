"""Train: turn a run's labelled rows into features, fit the proxies, and leave all in the work folder."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import joblib
from numpy.typing import NDArray

from culpa.influence.assess import Progress, Trained, train_proxies
from culpa.influence.features import Role
from culpa.influence.proxies import AUTO, ProxyOptions, is_brought
from culpa.influence.rows import Rows
from culpa.tasks import prepare, tokens, work
from culpa.tasks.brought import code_of
from culpa.tasks.errors import BadInput
from culpa.tasks.memory import limit_memory
from culpa.tasks.prepare import Part
from culpa.tasks.profiles import columns_of
from culpa.tasks.runs import Run, find_run
from culpa.tasks.settings import Settings
from culpa.tasks.store import connect

if TYPE_CHECKING:
    from culpa.tasks.ingest import Ingested

TRAINED = "trained.joblib"  # read by the process that wrote it, never by a later run
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
    words: tuple[str, ...]  # in token order; empty where no proxy reads
    others: dict[str, Rows]  # the other sets of reference rows, by name


def train(ingested: "Ingested", settings: Settings, progress: Progress | None = None) -> Path:
    """Fit the proxies of a run; gives the run's work folder with its rows, features and trained proxies."""
    folder = work.claim(settings.store, ingested.run_id)
    train_in(folder, ingested.run_id, settings, progress)
    return folder


def train_in(folder: Path, run_id: str, settings: Settings, progress: Progress | None = None) -> None:
    """The same in any folder: `load_prepared` reads it back."""
    run = _order(settings, run_id, folder)
    sides = [prepare.read_rows(side, run.classes)[0] for side in _sides(folder, run)[:2]]
    held_out = sides[1] if len(sides) > 1 else None
    options = ProxyOptions(
        method=settings.method,
        layers=settings.layers or None,
        held_out=held_out,
        kept=kept_folder(settings.store) if settings.cache else None,
        code=f"{version('culpa')} {code_of(settings.proxy)}",
    )
    joblib.dump(fit(sides[0], settings, options, progress), folder / TRAINED)


def fit(labelled: Rows, settings: Settings, options: ProxyOptions, progress: Progress | None) -> Trained:
    """The proxies that the settings ask for. Errors: BadInput where one that is no built-in does not fit the rows."""
    proxy, seed, rounds = settings.proxy, settings.seed, settings.rounds
    try:
        return train_proxies(labelled, proxy=proxy, seed=seed, rounds=rounds, options=options, progress=progress)
    except ValueError as error:
        if proxy in ("auto", *AUTO):
            raise
        raise BadInput(f"the proxy {proxy} cannot be used on these rows: {error}") from error


def kept_folder(store: Path) -> Path:
    """Where a store's networks are kept for later runs: files that nothing else needs."""
    return store.with_name(store.name + ".cache")


def load_prepared(folder: Path) -> Prepared:
    """Read back what `train` left."""
    known = json.loads((folder / RUN).read_text(encoding="utf-8"))
    classes = tuple(known["classes"])
    read = {name: prepare.read_rows(Part(folder, name), classes) for name in known["sides"]}
    (rows, row_ids), *sets = read.values()
    reference, reference_ids = sets[0] if sets else (None, None)
    others = {name: found for name, (found, _) in list(read.items())[2:]}
    trained, words = joblib.load(folder / TRAINED), prepare.words_of(folder)
    return Prepared(trained, rows, row_ids, reference, reference_ids, classes, words, others)


def _sides(folder: Path, run: Run) -> list[Part]:
    """The rows, then each set of reference rows."""
    sets = [Part(folder, one["name"], one["table"]) for one in run.reference_sets]
    return [Part(folder, prepare.ROWS, run.data_table), *sets]


def _order(settings: Settings, run_id: str, folder: Path) -> Run:
    """Everything that needs the store, in one short reading; then the features, with the store closed."""
    with connect(settings.store, read_only=True) as connection:
        run = find_run(connection, run_id)
        limit_memory(connection, settings.memory_limit, len(run.schema))
        roles = _roles(connection, run)
        sides = _sides(folder, run)
        for side in sides:
            prepare.order_rows(connection, run, roles, columns_of(connection, side.data), side)
    if settings.proxy == "text" or is_brought(settings.proxy):
        tokens.write_tokens(sides, roles, settings.chunk_rows, needed=settings.proxy == "text")
    plan = prepare.fit(sides[0], roles, settings.seed)
    for side in sides:
        prepare.write_features(side, plan, roles, settings.chunk_rows)
    known = {"classes": run.classes, "sides": [side.name for side in sides]}
    (folder / RUN).write_text(json.dumps(known), encoding="utf-8")
    return run


def _roles(connection: Any, run: Run) -> dict[str, Role]:
    """The columns that the model sees, by name, in an order that does not depend on the input's."""
    found = json.loads(connection.execute("SELECT columns FROM runs WHERE run_id = ?", [run.run_id]).fetchall()[0][0])
    return {one["name"]: cast(Role, one["role"]) for one in sorted(found, key=lambda one: one["name"]) if one["used"]}
