"""Weights beside the cleaned data, never inside: row by row in its order, for trainers that take sample weights."""

from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from culpa.tasks.outputs import Drafts
from culpa.tasks.publishing.balance import weigh
from culpa.tasks.publishing.sides import Drafted
from culpa.tasks.runs import Run
from culpa.tasks.sql import filled, literal

__all__ = ["write_weights"]


def write_weights(connection: duckdb.DuckDBPyConnection, run: Run, place: Path, drafts: Drafts) -> Drafted:
    """Draft the file: row_id and weight of each row of the clean file, in its order (needs the table `plan`)."""
    draft = drafts.draft(place)
    found = connection.sql(filled("soft_weights", run=literal(run.run_id))).to_arrow_table()
    pq.write_table(found.select(["row_id", "weight"]), draft)
    return Drafted(draft, weigh(found["checksum"]))
