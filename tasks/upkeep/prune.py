"""Forgets the scores of old runs: what a rerun could find again goes, what people said and what was done stays.

Of a run that is older than asked, and no part of what its data set is now, everything that scoring, tagging and the
gate found goes, but for the tags and reasons of flagged rows: with decisions, outcomes, runs and rows they answer for
ever why a row is missing. A run without scores is not published again; flagging its data again makes them anew. Models
kept beside the store for batches onto a full run that another has replaced go too.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from culpa.tasks.batch import base
from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.sql import quoted, statement
from culpa.tasks.store import connect, transaction
from culpa.tasks.views import use_current_views

__all__ = ["Pruned", "prune"]

WHOLLY = (
    "scores", "proxy_scores", "learning", "reference_influences", "evidence", "rounds", "round_removals",
    "gate_effects", "gate_curve", "calibration", "faithfulness",
)  # fmt: skip
UNFLAGGED = "corner = 'neither' AND tag = 'neither' AND NOT droppable"


@dataclass(frozen=True)
class Pruned:
    """What was forgotten, or would be."""

    runs: tuple[str, ...]
    lines: dict[str, int]  # table -> lines
    bytes_before: int
    bytes_after: int  # of the file; the same in a dry run
    bytes_free: int  # within the file, which later runs fill first
    models: int = 0  # that were kept for batches


def prune(store: Path, keep_days: float, *, dry_run: bool = False) -> Pruned:
    """Forget the scores of runs that were flagged more than `keep_days` ago; with `dry_run` only say which.

    Errors: BadInput for a number of days below zero; CulpaError where the store cannot be written, and then nothing is
    forgotten.
    """
    if not keep_days >= 0:
        raise BadInput(f"--keep-days must be zero or more, got {keep_days:g}")
    store = Path(store)
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=keep_days)
    if dry_run:
        with connect(store, read_only=True) as connection:
            runs, lines = _old_runs(connection, before)
        return Pruned(runs, lines, store.stat().st_size, store.stat().st_size, 0)
    bytes_before = store.stat().st_size
    try:
        with transaction(store) as connection:
            runs, lines = _old_runs(connection, before)
            for run_id in runs:
                _forget(connection, run_id)
            roots = connection.execute("SELECT run_id FROM current_runs WHERE onto IS NULL").fetchall()
        free = _give_back(store)
    except duckdb.Error as error:
        raise CulpaError(f"the store {store} cannot be pruned: {error}") from error
    models = base.sweep(store, {root for (root,) in roots})
    return Pruned(runs, lines, bytes_before, store.stat().st_size, free, models)


def _old_runs(connection: duckdb.DuckDBPyConnection, before: datetime) -> tuple[tuple[str, ...], dict[str, int]]:
    """The runs to forget, and how many lines of which table that is."""
    use_current_views(connection)
    found = connection.execute(statement("upkeep/old_runs"), {"before": before}).fetchall()
    runs = tuple(run_id for (run_id,) in found)
    lines = {table: _count(connection, table, "true", runs) for table in WHOLLY}
    lines["tags"] = _count(connection, "tags", UNFLAGGED, runs)
    return runs, {table: count for table, count in lines.items() if count}


def _count(connection: duckdb.DuckDBPyConnection, table: str, where: str, runs: tuple[str, ...]) -> int:
    sql = f"SELECT count(*) FROM {quoted(table)} WHERE {where} AND list_contains($runs, run_id)"
    return int(connection.execute(sql, {"runs": list(runs)}).fetchall()[0][0])


def _forget(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    for table in WHOLLY:
        connection.execute(f"DELETE FROM {quoted(table)} WHERE run_id = ?", [run_id])
    connection.execute(f"DELETE FROM tags WHERE {UNFLAGGED} AND run_id = ?", [run_id])
    now = datetime.now(UTC).replace(tzinfo=None)
    connection.execute("UPDATE runs SET forgotten_at = ? WHERE run_id = ?", [now, run_id])


def _give_back(store: Path) -> int:
    """Write the tables together and cut the file's free end off; the bytes that stay free within it."""
    for _ in range(2):  # blocks freed by one checkpoint are at hand for the next
        with connect(store) as connection:
            connection.execute("FORCE CHECKPOINT")
    with connect(store, read_only=True) as connection:
        blocks, size = connection.execute("SELECT free_blocks, block_size FROM pragma_database_size()").fetchall()[0]
        return int(blocks) * int(size)
