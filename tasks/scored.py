"""The scores that a run left in its work folder, as SQL over the Parquet files: nothing is loaded before it is needed.

The files are read through Arrow. DuckDB's own reader takes Parquet's minimum and maximum for the whole truth, these
know nothing of NaN, and so it would optimise the question for NaN away.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from culpa.tasks.errors import CulpaError
from culpa.tasks.runs import Run
from culpa.tasks.sql import filled, literal, quoted

OF_THE_ROW = {"run_id", "row_id", "row_hash", "given_label", "duplicate_group"}


@dataclass(frozen=True)
class Scored:
    """The scores of one run: SELECTs, for connections that its files are attached to and that have `rows`."""

    folder: Path
    scores: str
    proxy_scores: str
    learning: str
    reference_influences: str

    def selects(self) -> dict[str, str]:
        """The SELECTs by the table that takes them."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "folder"}

    def attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let `connection` read the files."""
        connection.register("scores_file", _open(self.folder, "scores"))
        connection.register("proxy_scores_file", _open(self.folder, "proxy_scores"))
        connection.register("learning_file", _open(self.folder, "learning"))
        connection.register("reference_influences_file", _open(self.folder, "reference_influences"))


def read_scored(connection: duckdb.DuckDBPyConnection, folder: Path, run: Run, rows: pa.Table) -> Scored:
    """Give `connection` the tables scores, proxy_scores and rows of one run.

    Errors: CulpaError unless exactly the run's labelled rows are scored, each once.
    """
    connection.register("rows", rows)
    scored = scored_of(folder, run)
    scored.attach(connection)
    connection.execute(f"CREATE VIEW scores AS {scored.scores}")
    connection.execute(f"CREATE VIEW proxy_scores AS {scored.proxy_scores}")
    _check_complete(connection, run)
    return scored


def scored_of(folder: Path, run: Run) -> Scored:
    """The SELECTs over the files of a folder."""
    columns = _numbers(_open(folder, "scores").schema)
    return Scored(
        folder,
        filled("scored", columns=columns, run=literal(run.run_id)),
        _lines(folder, "proxy_scores", run),
        _lines(folder, "learning", run),
        _lines(folder, "reference_influences", run),
    )


def _lines(folder: Path, name: str, run: Run) -> str:
    """A file with several lines for each row, as its table has them."""
    numbers = _numbers(_open(folder, name).schema)
    return f"SELECT {literal(run.run_id)} AS run_id, p.row_id, {numbers} FROM {name}_file p"


def _open(folder: Path, name: str) -> ds.Dataset:
    file = folder / f"{name}.parquet"
    if not file.is_file():
        raise CulpaError(f"{file} is not there: score the run again")
    return ds.dataset(file, format="parquet")


def _numbers(schema: pa.Schema) -> str:
    """The columns beside the row's own, with NULL for NaN: SQL counts NaN as the largest number of all."""
    return ", ".join(
        f"CASE WHEN NOT isnan(p.{quoted(field.name)}) THEN p.{quoted(field.name)} END AS {quoted(field.name)}"
        if pa.types.is_floating(field.type)
        else f"p.{quoted(field.name)}"
        for field in schema
        if field.name not in OF_THE_ROW
    )


def _check_complete(connection: duckdb.DuckDBPyConnection, run: Run) -> None:
    in_file = connection.execute("SELECT count(*) FROM scores_file").fetchall()[0][0]
    found, distinct = connection.execute("SELECT count(*), count(DISTINCT row_id) FROM scores").fetchall()[0]
    needed = run.row_count - run.unlabelled_count
    if not in_file == found == distinct == needed:
        raise CulpaError(
            f"run {run.run_id} has {needed} labelled rows, but {in_file} were scored, {distinct} of them known: "
            "score the run again"
        )
