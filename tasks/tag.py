"""Tag a run: apply the rule to its scores, find evidence for the flagged rows, write all of it in one transaction.

Everything is computed with the store closed, over the files that scoring left in the run's work folder. Tagging a run
again replaces what was there; a crash on the way leaves the store as it was.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from culpa.tasks.batch.carried import attach_carried, carried_evidence
from culpa.tasks.batch.drift import write_drifts
from culpa.tasks.errors import CulpaError
from culpa.tasks.evidence import find_evidence_of
from culpa.tasks.memory import limit_memory
from culpa.tasks.outside import without_words
from culpa.tasks.proof import attach_proof
from culpa.tasks.rounds import report_text, write_rounds
from culpa.tasks.ruling import SCORE_COLUMNS, is_faithful, rows_of, ruling
from culpa.tasks.runs import Run, find_run
from culpa.tasks.scored import Scored
from culpa.tasks.sql import filled, literal
from culpa.tasks.store import connect, transaction
from culpa.tasks.views import create_views

if TYPE_CHECKING:
    from culpa.tasks.ingest import Ingested
    from culpa.tasks.settings import Settings

TAGS = "tags.parquet"
MOST_EVIDENCE = 2_000  # flagged rows that get evidence: more than a person will look at


@dataclass(frozen=True)
class TagSummary:
    """How many rows of a run carry what."""

    run_id: str
    rows: int  # scored, that is labelled
    corners: dict[str, int]  # neither, rare_but_useful, systematic_error, mislabeled
    tags: dict[str, int]  # the same, in a user's own words where the rule gives some
    droppable: int
    evidence: int  # flagged rows with evidence
    trusted_reference: bool


def tag(ingested: "Ingested", scored: Path, settings: "Settings") -> TagSummary:
    """Tag the rows that `scored` (the run's work folder) holds the scores of; the run is 'flagged' afterwards.

    Errors: BadInput for a rule that cannot be used; CulpaError when the scores do not fit the run or the disk is full.
    """
    return tag_run(Path(ingested.store), ingested.run_id, scored, settings)


def tag_run(store: Path, run_id: str, scored: Path, settings: "Settings") -> TagSummary:
    """The same for a run named by its id."""
    with connect(store, read_only=True) as connection:
        run, rows = find_run(connection, run_id), rows_of(connection, run_id)
    settings = _as_the_full_run(settings, run, Path(scored))
    with ruling(Path(scored), run, rows, settings, faithful=is_faithful(Path(scored))) as found:
        order = "SELECT * FROM tags ORDER BY row_id"
        found.connection.execute(f"COPY ({order}) TO {literal(str(Path(scored) / TAGS))}")
        suspects = _most_suspicious(found.connection)
        summary = _summary(found.connection, run)
    evidence = find_evidence_of(Path(scored), suspects)
    carried = carried_evidence(Path(scored))
    if carried is not None:
        evidence = pa.concat_tables([evidence, carried], promote_options="permissive")
    if not run.keeps_data:
        evidence = without_words(evidence)
    _write(store, run, found.scores, evidence, _said(found.threshold, settings), settings.memory_limit)
    return replace(summary, evidence=len(set(evidence["row_id"].to_pylist())))


def _as_the_full_run(settings: "Settings", run: Run, folder: Path) -> "Settings":
    """A batch counts a row as memorized from where the full run did, unless the user says otherwise."""
    if run.onto is None or settings.memorization_threshold is not None:
        return settings
    told = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return settings.model_copy(update={"memorization_threshold": told.get("memorization_threshold")})


def _said(threshold: float, settings: "Settings") -> dict[str, Any]:
    """What tagging adds to the run's report; a user's own rule whole, for the gate to apply again."""
    own = {} if settings.rule is None else {"rule": Path(settings.rule).read_text(encoding="utf-8")}
    return {"memorization_threshold": threshold, **own}


def _most_suspicious(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The flagged rows that get evidence: those that may be dropped first, then the most suspicious ones."""
    found = connection.execute(
        """SELECT t.row_id FROM tags t JOIN scores s USING (row_id) WHERE t.corner <> 'neither'
           ORDER BY t.droppable DESC, s.suspicion DESC NULLS LAST, t.row_id LIMIT ?""",
        [MOST_EVIDENCE],
    )
    return [row for (row,) in found.fetchall()]


def _summary(connection: duckdb.DuckDBPyConnection, run: Run) -> TagSummary:
    def count(column: str) -> dict[str, int]:
        return dict(connection.execute(f"SELECT {column}, count(*) FROM tags GROUP BY 1 ORDER BY 2 DESC, 1").fetchall())

    corners = count("corner")
    droppable = connection.execute("SELECT count(*) FILTER (droppable) FROM tags").fetchall()[0][0]
    return TagSummary(
        run_id=run.run_id,
        rows=sum(corners.values()),
        corners=corners,
        tags=count("tag"),
        droppable=droppable,
        evidence=0,
        trusted_reference=run.reference_fingerprint is not None,
    )


def _write(
    store: Path, run: Run, scores: Scored, evidence: pa.Table, said: dict[str, Any], memory_limit: str | None
) -> None:
    """Everything a run leaves in the store, in one transaction that replaces what an earlier try left."""
    try:
        with transaction(store) as connection:
            limit_memory(connection, memory_limit, SCORE_COLUMNS)
            scores.attach(connection)
            connection.register("new_tags", ds.dataset(scores.folder / TAGS))
            connection.register("new_evidence", evidence)
            attach_proof(connection, scores.folder)
            attach_carried(connection, scores.folder)
            connection.execute(filled("write_tags", run=literal(run.run_id), **scores.selects()))
            write_rounds(connection, run.run_id, scores.folder)
            connection.execute(
                """UPDATE runs SET state = 'flagged', flagged_at = ?, published_at = NULL, forgotten_at = NULL,
                   report = ? WHERE run_id = ?""",
                [datetime.now(UTC).replace(tzinfo=None), report_text(scores.folder, said), run.run_id],
            )
            write_drifts(connection, run, scores.folder)
            create_views(connection, run)
    except duckdb.Error as error:
        raise CulpaError(
            f"the tags of run {run.run_id} cannot be written to {store}: {error}; nothing was changed"
        ) from error
