"""The flow `publish`: the tags and people's decisions of one run become files."""

from pathlib import Path
from typing import Any

from culpa.flows.artifacts import leave_artifacts
from culpa.flows.form import discreet_flow
from culpa.flows.result import Result
from culpa.flows.story import earlier_run, publish_run
from culpa.flows.tracked import TRACKED
from culpa.tasks.settings import Gate


@discreet_flow(name="culpa-publish", flow_run_name="publish {run}")
def publish(
    run: str,
    *,
    store: Path = Path("culpa.duckdb"),
    out: str | Path | None = None,
    partition_by: tuple[str, ...] = (),
    max_drop: float | None = None,
    max_drop_per_class: float | None = None,
    require_review: bool = False,
    gate: Gate | None = None,
) -> Result:
    """Apply the tags and people's decisions of a flagged run, and write the cleaned table.

    Args:
        run: the run's id, or the beginning of it
        store: the DuckDB file with every score, tag and decision
        out: the cleaned file; default: where the run was published before, else beside its source
        partition_by: columns whose values divide the cleaned data; out is a folder of Parquet then
        max_drop: refuse to publish if a larger share would go; default: the run's own setting
        max_drop_per_class: the same for every single class
        require_review: refuse while rows of the run have to be seen by a person
        gate: what the cleaning must be shown to be, better, not-worse or off; default: the run's own setting
    """
    guards: dict[str, Any] = {"max_drop": max_drop, "max_drop_per_class": max_drop_per_class}
    guards["require_review"] = require_review
    result = publish_run(earlier_run(store, run), TRACKED, out, gate=gate, partition_by=partition_by, **guards)
    leave_artifacts(result)
    return result
