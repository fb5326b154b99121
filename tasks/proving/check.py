"""Check: is a run's influence to be believed, and how many of the flagged rows are wrong? Asked on the run's own data.

Rows are left out and the proxy is trained again (`influence.faithfulness`), copies of reference rows must help or harm
as their labels say (`influence.self_test`), and planted wrong labels are scored and ruled on like all others
(`influence.calibration`). It comes between scoring and tagging, because where retraining contradicts influence the rule
asks for more evidence.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from culpa.influence.assess import Progress
from culpa.influence.faithfulness import measure_faithfulness
from culpa.influence.self_test import run_self_test
from culpa.tasks.proving.planted import Scores, calibrate
from culpa.tasks.proving.proof import write_proof
from culpa.tasks.ruling import is_faithful, rows_of, ruling
from culpa.tasks.runs import Run, find_run
from culpa.tasks.score import write_json
from culpa.tasks.settings import Settings
from culpa.tasks.store import connect
from culpa.tasks.train import Prepared, load_prepared

if TYPE_CHECKING:
    from culpa.tasks.ingest import Ingested

__all__ = ["check"]

OFF = {"skipped": "it was not asked for"}
Said = dict[str, Any]


def check(ingested: "Ingested", scored: Path, settings: Settings, progress: Progress | None = None) -> Path:
    """Check the scores in the work folder `scored`, and give the same folder.

    Then it holds calibration and faithfulness as Parquet, and its report says more. Errors: BadInput for a rule that
    cannot be used.
    """
    tell = progress or (lambda what, done: None)
    if ingested.onto is not None:
        return scored  # a batch goes by the checks of its full run
    prepared, file = load_prepared(scored), scored / "report.json"
    with connect(settings.store, read_only=True) as connection:
        run, rows = find_run(connection, ingested.run_id), rows_of(connection, ingested.run_id)
    for name, step in (("faithfulness", _faithfulness), ("self_test", _self_test), ("calibration", _calibration)):
        said = _said(lambda step=step: step(scored, prepared, settings, run, rows, tell))  # type: ignore[misc]
        write_json(file, {**json.loads(file.read_text(encoding="utf-8")), name: said})
    tell("check", 1.0)
    return scored


def _said(step: Callable[[], Said]) -> Said:
    try:
        return step()
    except ValueError as error:  # too few rows, or a proxy that cannot be trained again: the scores stand without it
        return {"skipped": str(error)}


def _faithfulness(
    folder: Path, prepared: Prepared, settings: Settings, run: Run, rows: pa.Table, tell: Progress
) -> Said:
    """Leave rows out, those that the rule would drop among them."""
    if not settings.faithfulness:
        return OFF
    with ruling(folder, run, rows, settings, faithful=True) as found:
        droppable = found.rows_that("droppable")
    found_out = measure_faithfulness(
        prepared.trained,
        prepared.rows,
        reference=prepared.reference,
        dropped=_mask(prepared, droppable),
        l2=_strength(folder),
        progress=lambda what, done: tell(what, done / 3),
    )
    removals = [*found_out.removals, *([found_out.dropped] if found_out.dropped else [])]
    lines = [
        {
            "proxy": found_out.proxy,
            "kind": one.kind,
            "rows": len(one.rows),
            "predicted": one.predicted,
            "real": one.real,
            "row_id": str(prepared.row_ids[one.rows[0]]) if one.kind == "row" else None,
        }
        for one in removals
    ]
    write_proof(folder, "faithfulness", lines)
    return found_out.report()


def _self_test(folder: Path, prepared: Prepared, settings: Settings, run: Run, rows: pa.Table, tell: Progress) -> Said:
    """Copy reference rows into the training."""
    if not settings.calibrate:
        return OFF
    tell("self-test", 1 / 3)
    trained, reference, l2 = prepared.trained, prepared.reference, _strength(folder)
    return run_self_test(trained, prepared.rows, reference=reference, l2=l2, seed=settings.seed).report()


def _calibration(
    folder: Path, prepared: Prepared, settings: Settings, run: Run, rows: pa.Table, tell: Progress
) -> Said:
    """Plant wrong labels."""
    if not settings.calibrate:
        return OFF
    with ruling(folder, run, rows, settings, faithful=is_faithful(folder)) as found:
        harmful = _mask(prepared, found.rows_that("harmful"))
    table = pq.read_table(folder / "scores.parquet", columns=["suspicion", "probability_wrong"])
    actual = Scores(table["suspicion"].to_numpy(), table["probability_wrong"].to_numpy(), harmful)
    said, lines = calibrate(
        folder, prepared, settings, run, rows, actual, lambda what, done: tell(what, (1 + 2 * done) / 3)
    )
    write_proof(folder, "calibration", lines)
    return said


def _strength(folder: Path) -> float | None:
    """The l2 at which trusted rows had the linear proxy's influence measured, if they had."""
    found = json.loads((folder / "report.json").read_text(encoding="utf-8")).get("influence_l2")
    return None if found is None else float(found)


def _mask(prepared: Prepared, row_ids: set[str]) -> Any:
    return np.isin(prepared.row_ids.astype(str), list(row_ids))
