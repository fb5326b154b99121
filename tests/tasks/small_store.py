"""Small stores made by hand for the tests of what follows scoring: any table, any scores, no model."""

import atexit
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from culpa.tasks import store as stores
from culpa.tasks.evidence import SCHEMA
from culpa.tasks.publishing.publish import Published, publish
from culpa.tasks.runs import find_run
from culpa.tasks.settings import Settings
from culpa.tasks.tag import TagSummary, tag_run
from culpa.tasks.views import create_views

NUMBERS = (
    "suggested_probability", "self_influence", "memorization", "probability_without", "influence", "influence_se",
    "influence_p_value", "class_influence", "relative_influence", "classification_influence", "loss", "suspicion",
    "probability_wrong",
)  # fmt: skip
ROW_HASH = "md5(CAST(to_json(given) AS VARCHAR))"
HARMFUL = {"influence": -1.0, "influence_p_value": 1e-6, "probability_wrong": 0.99, "suspicion": 3.0}
HARMLESS = {
    "influence": 1.0,
    "influence_p_value": 0.9,
    "probability_wrong": 0.01,
    "suspicion": -3.0,
    "memorization": 0.0,
}


@dataclass(frozen=True)
class SmallRun:
    """One ingested run whose scores lie in its work folder, as `tag` finds it."""

    store: Path
    run_id: str
    folder: Path
    settings: Settings

    def tag(self, **options: Any) -> TagSummary:
        """Tag it, with settings changed; evidence comes from a model, and this run has none."""
        evidence = options.pop("evidence", SCHEMA.empty_table())
        with patch("culpa.tasks.tag.find_evidence_of", return_value=evidence):
            return tag_run(self.store, self.run_id, self.folder, self.settings.model_copy(update=options))

    def publish(self, out: Path | None = None, **options: Any) -> Published:
        """Publish it to `cleaned.parquet` beside the store, with guards as wide as a table of ten rows needs."""
        guards = {"max_drop": 0.3, "max_drop_per_class": 0.5, **options}
        return publish(self.store, self.run_id, out or self.store.with_name("cleaned.parquet"), **guards)


def small_run(
    folder: Path,
    table: pa.Table,
    scores: Mapping[str, Mapping[str, Any]],
    *,
    label: str = "label",
    key: str = "id",
    run_id: str = "aaaaaaaaaaaa",
    dataset: str = "pets",
    task: str = "classification",
    trusted: bool = False,
    reference_ids: Sequence[str] = (),
    at: str = "2026-01-01 00:00:00",
    **settings: Any,
) -> SmallRun:
    """Ingest `table` by hand and leave scores for it: row id -> what differs from HARMLESS."""
    store = folder / "culpa.duckdb"
    stores.create(store)
    source = folder / f"{dataset}.parquet"
    chosen = Settings(source=str(source), label=label, key=key, dataset=dataset, store=store, **settings)
    with stores.transaction(store) as connection:
        _insert(connection, table, chosen, run_id, task, trusted, reference_ids, at)
    work = folder / "culpa.duckdb.work" / run_id
    work.mkdir(parents=True, exist_ok=True)
    labelled = table.filter(pc.is_valid(table[label]))
    write_scores(work, [str(row) for row in labelled[key].to_pylist()], scores)
    return SmallRun(store, run_id, work, chosen)


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: pa.Table,
    settings: Settings,
    run_id: str,
    task: str,
    trusted: bool,
    reference_ids: Sequence[str],
    at: str,
) -> None:
    label, key, dataset = settings.label, settings.key, settings.dataset
    plain = pa.table(
        [column.cast(pa.int64()) if pa.types.is_duration(column.type) else column for column in table.columns],
        table.column_names,
    )
    connection.register("given", plain)
    data = f"data_{dataset}_{run_id[:8]}"
    connection.execute(
        f"""CREATE TABLE "{data}" AS
            SELECT CAST("{key}" AS VARCHAR) AS __row_id, {ROW_HASH} AS __row_hash, given.* FROM given"""
    )
    connection.execute(
        f"""INSERT INTO rows
            SELECT $run, row_number() OVER () - 1, CAST("{key}" AS VARCHAR), {ROW_HASH}, CAST("{label}" AS VARCHAR),
                   hash("{key}") % 1000000, list_contains($reference, CAST("{key}" AS VARCHAR)) FROM given""",
        {"run": run_id, "reference": list(reference_ids)},
    )
    found = connection.execute(
        f'SELECT DISTINCT CAST("{label}" AS VARCHAR) FROM given WHERE "{label}" IS NOT NULL ORDER BY 1'
    )
    classes = [text for (text,) in found.fetchall()] if task == "classification" else []
    connection.execute(
        """INSERT INTO runs VALUES ($run, $dataset, 'ingested', $source, $label, $key, $task, $settings,
           '{"culpa": "test"}', 'f1', $reference, $data, NULL, $schema, '[]', $classes, $rows, $unlabelled,
           NULL, '[]', $at, NULL, NULL, NULL, '[]', NULL, true, NULL)""",
        {
            "run": run_id, "dataset": dataset, "source": str(settings.source), "label": label, "key": key, "task": task,
            "settings": json.dumps(settings.answer_settings()), "reference": "r1" if trusted else None, "data": data,
            "schema": table.schema.serialize().to_pybytes(), "classes": json.dumps(classes), "rows": len(table),
            "unlabelled": table[label].null_count, "at": at,
        },
    )  # fmt: skip


def write_scores(work: Path, rows: Sequence[str], scores: Mapping[str, Mapping[str, Any]]) -> None:
    """The files that scoring leaves: row id -> what differs from HARMLESS."""
    lines = [{"row_id": row, **HARMLESS, **scores.get(row, {})} for row in rows]
    schema = pa.schema(
        [("row_id", pa.string()), ("suggested_label", pa.string()), *((name, pa.float64()) for name in NUMBERS)]
    )
    pq.write_table(pa.Table.from_pylist(lines, schema=schema), work / "scores.parquet")
    proxies = {"row_id": list(rows), "proxy": ["linear"] * len(rows), "probability_without": [0.5] * len(rows)}
    pq.write_table(pa.table(proxies), work / "proxy_scores.parquet")
    none = pa.array([], pa.string())
    pq.write_table(pa.table({"row_id": none, "proxy": none}), work / "learning.parquet")
    pq.write_table(pa.table({"row_id": none, "reference": none}), work / "reference_influences.parquet")


def come_onto(run: SmallRun, onto: str) -> SmallRun:
    """Make a run that was tagged a batch onto another, as if it had come so."""
    with stores.transaction(run.store) as connection:
        connection.execute("UPDATE runs SET onto = ? WHERE run_id = ?", [onto, run.run_id])
        create_views(connection, find_run(connection, run.run_id))
    return run


def ask(store: Path, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The answer of one query on a store."""
    with stores.connect(store) as connection:
        return connection.execute(sql, list(values)).fetchall()


PETS = pa.table(
    {
        "id": pa.array([f"r{place}" for place in range(10)]),
        "weight": pa.array([4.0, 5.0, 30.0, 25.0, 4.5, 3.9, 28.0, 33.0, 4.2, 27.0]),
        "label": pa.array(["cat", "cat", "dog", "dog", "dog", "cat", "dog", "cat", None, "dog"]),
    }
)
# r4 is mislabeled, r7 a systematic error, r5 rare but useful, r8 has no label.
PET_SCORES = {
    "r4": {**HARMFUL, "memorization": 0.8, "suggested_label": "cat", "suggested_probability": 0.9},
    "r7": {**HARMFUL, "suspicion": 2.0, "suggested_label": "dog", "suggested_probability": 0.8},
    "r5": {"memorization": 0.7},
}


def pets(folder: Path, **options: Any) -> SmallRun:
    """The small store most tests use, tagged; two of its nine labelled rows would be dropped."""
    if not options:
        return _copied(_template(), folder)
    run = small_run(folder, options.pop("table", PETS), options.pop("scores", PET_SCORES), **options)
    run.tag()
    return run


@cache
def _template() -> SmallRun:
    """The store of `pets` without options, made once."""
    folder = Path(mkdtemp(prefix="culpa-pets-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run = small_run(folder, PETS, PET_SCORES)
    run.tag()
    return run


def _copied(run: SmallRun, folder: Path) -> SmallRun:
    shutil.copytree(run.store.parent, folder, dirs_exist_ok=True)
    store = folder / run.store.name
    settings = run.settings.model_copy(update={"store": store, "source": str(folder / "pets.parquet")})
    with stores.transaction(store) as connection:
        connection.execute("UPDATE runs SET source = ?", [settings.source])
    return SmallRun(store, run.run_id, folder / run.folder.relative_to(run.store.parent), settings)
