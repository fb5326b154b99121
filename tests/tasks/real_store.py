"""A small store made by the whole flow, cheaply: real hashes, real scores, decisions, and published files."""

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pandas as pd

from culpa.flows.plain import clean, publish
from culpa.tasks import store as stores
from culpa.tasks.reviews.decide import decide

CHEAPEST = {
    "proxy": "linear", "rounds": 0, "gate": "off", "calibrate": False, "faithfulness": False, "report": False,
    "cache": False,
}  # fmt: skip
GUARDS = {"max_drop": 0.9, "max_drop_per_class": 0.9}


def pets_table(rows: int = 60, seed: int = 0, wrong: bool = True, prefix: str = "p") -> pd.DataFrame:
    """Two classes; every tenth label is wrong if asked for."""
    numbers = np.random.default_rng(seed)
    features = numbers.normal(size=(rows, 3)).round(2)
    right = features[:, 0] + 0.5 * features[:, 1] > 0
    labels = np.where(right ^ ((np.arange(rows) % 10 == 3) & wrong), "cat", "dog")
    names = [f"{prefix}{row}" for row in range(rows)]
    return pd.DataFrame(features, columns=["weight", "height", "age"]).assign(id=names, label=labels)


def cleaned(folder: Path, **options: Any) -> str:
    """Clean `pets.parquet` in `folder` into `cleaned.parquet`, judged by `trusted.parquet`; gives the run's id."""
    given = {"label": "label", "key": "id", "reference": str(folder / "trusted.parquet"), **CHEAPEST, **GUARDS}
    places = {"store": folder / "culpa.duckdb", "out": folder / "cleaned.parquet"}
    return clean(str(folder / "pets.parquet"), **given, **places, **options).run_id


def real_store(folder: Path) -> Path:
    """A store with one run that was flagged, decided on and published twice; its files lie beside it."""
    return carried(_template(), folder)


def carried(made: Path, folder: Path) -> Path:
    """The store in the folder `made`, and all beside it, copied to `folder`, as if it had been made there."""
    shutil.copytree(made, folder, dirs_exist_ok=True)
    store = folder / "culpa.duckdb"
    with stores.transaction(store) as connection:
        moved = [str(folder / "cleaned.parquet"), str(folder / "pets.parquet")]
        connection.execute("UPDATE runs SET out = ?, source = ?", moved)
    return store


@cache
def _template() -> Path:
    folder = Path(mkdtemp(prefix="culpa-real-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    pets_table().to_parquet(folder / "pets.parquet")
    pets_table(40, seed=1, wrong=False, prefix="t").to_parquet(folder / "trusted.parquet")
    run_id = cleaned(folder)
    decide(folder / "culpa.duckdb", ["p3"], "keep", by="ann")
    decide(folder / "culpa.duckdb", ["p13"], "relabel", "dog", by="ann")
    decide(folder / "culpa.duckdb", ["p5"], "drop", by="bob")
    publish(run_id, store=folder / "culpa.duckdb", gate="off", **GUARDS)
    return folder
