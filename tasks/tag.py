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

from culpa.tasks.batch.carried import attach_carried, carried_evidence, fresh_part, with_carried
from culpa.tasks.batch.dataset import check_root
from culpa.tasks.batch.drift import write_drifts
from culpa.tasks.errors import CulpaError
from culpa.tasks.evidence import find_evidence_of
from culpa.tasks.memory import limit_memory
from culpa.tasks.outside import without_words
from culpa.tasks.proving.proof import attach_proof
from culpa.tasks.rounds import report_text, write_rounds
from culpa.tasks.ruling import SCORE_COLUMNS, is_faithful, rows_of, ruling
from culpa.tasks.runs import Run, find_run
from culpa.tasks.scored import Scored, scored_of
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
    folder = Path(scored)
    with connect(store, read_only=True) as connection:
        run, rows = find_run(connection, run_id), rows_of(connection, run_id)
    settings = _as_the_full_run(settings, run, folder)
    ruled = _rule(folder, *((run, rows) if run.onto is None else fresh_part(run, rows, folder)), settings)
    evidence = find_evidence_of(folder, ruled.suspects)
    carried = carried_evidence(folder)
    if carried is not None:
        evidence = pa.concat_tables([evidence, carried], promote_options="permissive")
    if not run.keeps_data:
        evidence = without_words(evidence)
    whole = folder if run.onto is None else with_carried(folder)
    _write(store, run, folder, scored_of(whole, run), evidence, _said(ruled.threshold, settings), settings)
    return replace(_summary(whole, run), evidence=len(set(evidence["row_id"].to_pylist())))


@dataclass(frozen=True)
class _Ruled:
    """What ruling left beside the tags, which lie in the work folder."""

    threshold: float | None  # of memorization
    suspects: list[str]  # the flagged rows that get evidence


def _rule(folder: Path, run: Run, rows: pa.Table, settings: "Settings") -> _Ruled:
    """Apply the rule to the rows that were scored now; of a batch there may be none."""
    if run.onto is not None and not len(rows):
        return _Ruled(settings.memorization_threshold, [])
    with ruling(folder, run, rows, settings, faithful=is_faithful(folder)) as found:
        order = "SELECT * FROM tags ORDER BY row_id"
        found.connection.execute(f"COPY ({order}) TO {literal(str(folder / TAGS))}")
        return _Ruled(found.threshold, _most_suspicious(found.connection))


def _as_the_full_run(settings: "Settings", run: Run, folder: Path) -> "Settings":
    """A batch counts a row as memorized from where the full run did, unless the user says otherwise."""
    if run.onto is None or settings.memorization_threshold is not None:
        return settings
    told = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return settings.model_copy(update={"memorization_threshold": told.get("memorization_threshold")})


def _said(threshold: float | None, settings: "Settings") -> dict[str, Any]:
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


def _summary(folder: Path, run: Run) -> TagSummary:
    with duckdb.connect() as connection:
        connection.register("tags", ds.dataset(folder / TAGS))

        def count(column: str) -> dict[str, int]:
            asked = f"SELECT {column}, count(*) FROM tags GROUP BY 1 ORDER BY 2 DESC, 1"
            return dict(connection.execute(asked).fetchall())

        corners, tags = count("corner"), count("tag")
        droppable = connection.execute("SELECT count(*) FILTER (droppable) FROM tags").fetchall()[0][0]
    return TagSummary(
        run_id=run.run_id,
        rows=sum(corners.values()),
        corners=corners,
        tags=tags,
        droppable=droppable,
        evidence=0,
        trusted_reference=run.reference_fingerprint is not None,
    )


def _write(
    store: Path,
    run: Run,
    folder: Path,
    scores: Scored,
    evidence: pa.Table,
    said: dict[str, Any],
    settings: "Settings",
) -> None:
    """Everything a run leaves in the store, in one transaction that replaces what an earlier try left."""
    try:
        with transaction(store) as connection:
            limit_memory(connection, settings.memory_limit, SCORE_COLUMNS)
            check_root(connection, run, settings)
            scores.attach(connection)
            connection.register("new_tags", ds.dataset(scores.folder / TAGS))
            connection.register("new_evidence", evidence)
            attach_proof(connection, folder)
            attach_carried(connection, folder)
            connection.execute(filled("write_tags", run=literal(run.run_id), **scores.selects()))
            write_rounds(connection, run.run_id, folder)
            connection.execute(
                """UPDATE runs SET state = 'flagged', flagged_at = ?, published_at = NULL, forgotten_at = NULL,
                   report = ? WHERE run_id = ?""",
                [datetime.now(UTC).replace(tzinfo=None), report_text(folder, said), run.run_id],
            )
            write_drifts(connection, run, folder)
            create_views(connection, run)
    except duckdb.Error as error:
        raise CulpaError(
            f"the tags of run {run.run_id} cannot be written to {store}: {error}; nothing was changed"
        ) from error
