"""Small tables to ingest, and the runs that come of them."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from culpa.tasks.ingest import Ingested, ingest
from culpa.tasks.settings import read_settings


def animals(rows: int = 60) -> pd.DataFrame:
    """A table with a column of each role, no two rows alike, and three classes of equal size."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "weight": random.normal(size=rows),
            "legs": random.integers(0, 9, rows),
            "furry": random.random(rows) < 0.5,
            "colour": random.choice(["brown", "black", "white"], rows),
            "seen": pd.Timestamp("2024-05-01") + pd.to_timedelta(random.integers(0, 10_000, rows), unit="min"),
            "animal": ["cat", "dog", "emu"] * (rows // 3),
        }
    )


def ingested(source: Any, folder: Path, **options: Any) -> Ingested:
    """The source ingested into `culpa.duckdb` of this folder; the label is `animal` unless another is given."""
    return ingest(read_settings(source, **{"label": "animal", "store": folder / "culpa.duckdb", **options}))


def ask(folder: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows that a query on the store of this folder gives."""
    with duckdb.connect(folder / "culpa.duckdb", read_only=True) as connection:
        return connection.execute(sql, list(values)).fetchall()


def saved(frame: pd.DataFrame, file: Path) -> Path:
    """The frame in a file of the format that its name tells."""
    if file.suffix == ".parquet":
        frame.to_parquet(file, index=False)
    elif ".csv" in file.name or ".tsv" in file.name:
        frame.to_csv(file, index=False, sep="\t" if ".tsv" in file.name else ",")
    else:
        with duckdb.connect() as connection:
            connection.register("frame", pa.Table.from_pandas(frame, preserve_index=False))
            if file.suffix == ".duckdb":
                connection.execute(f"ATTACH '{file}' AS there; CREATE TABLE there.animals AS SELECT * FROM frame")
            else:
                connection.execute(f"COPY frame TO '{file}' (FORMAT json)")
    return file
