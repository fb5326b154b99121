"""Which source is to blame? A run's rows by the groups of a column: their influence together, and what leaving each
group out really does.

The sum of single influences is first order and costs one query. `retrain` trains the run's proxy again without each of
the groups with the strongest sums, and measures the mean loss of the trusted rows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from culpa.tasks import work
from culpa.tasks.errors import BadInput
from culpa.tasks.nearest import nearest
from culpa.tasks.runs import Run, find_run, records
from culpa.tasks.settings import Options, Settings
from culpa.tasks.sql import filled, literal, quoted
from culpa.tasks.store import connect
from culpa.tasks.views import stored_columns

if TYPE_CHECKING:
    from culpa.tasks.train import Prepared

__all__ = ["MOST_RETRAINED", "groups_of"]

MOST_RETRAINED = 20  # groups that are left out in turn
Progress = Callable[[str, float], None]


def groups_of(
    store: Path, by: str, run_id: str | None = None, *, retrain: bool = False, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """A record for each value of the column `by`, the most harmful first; of the latest flagged run if none is named.

    With `retrain` the column `left_out`: the rise of the mean reference loss without the group, positive helps; None
    for groups that were not left out. Errors: BadInput for no such run or column, and where no trusted rows judge.
    """
    with connect(store, read_only=True) as connection:
        run = find_run(connection, run_id or _latest(connection))
        names = stored_columns(connection, run.data_table)
        if by not in names:
            raise BadInput(f"run {run.run_id} has no column {by!r}{nearest(by, names)}")
        chosen = {"by": quoted(by), "data": quoted(run.data_table), "run": literal(run.run_id)}
        found = records(connection, filled("groups", **chosen))
        members = connection.execute(
            f"SELECT __row_id, CAST({quoted(by)} AS VARCHAR) FROM {quoted(run.data_table)}"
        ).fetchall()
    if not found:
        raise BadInput(f"run {run.run_id} has no scores yet: `culpa flag` makes them")
    if not retrain:
        return found
    if not run.reference_sets:
        raise BadInput(
            f"run {run.run_id} has no trusted rows to judge by: flag with --reference, or leave out --retrain"
        )
    left_out = _left_out(store, run, found, dict(members), progress)
    return [{**one, "left_out": left_out.get(one["group"])} for one in found]


def _latest(connection: duckdb.DuckDBPyConnection) -> str:
    found = connection.execute(
        "SELECT run_id FROM runs WHERE flagged_at IS NOT NULL ORDER BY flagged_at DESC LIMIT 1"
    ).fetchall()
    if not found:
        raise BadInput("no run of this store is flagged yet: `culpa flag` or `culpa clean` does it")
    return str(found[0][0])


def _left_out(
    store: Path, run: Run, found: list[dict[str, Any]], group_of: dict[str, Any], progress: Progress | None
) -> dict[Any, float | None]:
    """The effect of leaving out each of the groups of strongest sums."""
    from culpa.influence.groups import leave_groups_out
    from culpa.tasks.train import load_prepared, train_in

    strongest = sorted(found, key=lambda one: -abs(one["influence"] or 0.0))[:MOST_RETRAINED]
    with work.borrowed(store, "groups") as folder:
        train_in(folder, run.run_id, _settings(store, run), progress)
        prepared = load_prepared(folder)
        assert prepared.reference is not None
        names = [one["group"] for one in strongest]
        masks = _masks(prepared, group_of, names)
        effects = leave_groups_out(prepared.trained, prepared.rows, prepared.reference, masks)
    return {name: None if np.isnan(effect) else float(effect) for name, effect in zip(names, effects, strict=True)}


def _masks(prepared: "Prepared", group_of: dict[str, Any], names: list[Any]) -> list[NDArray[np.bool_]]:
    own = np.array([group_of[row] for row in prepared.row_ids], dtype=object)
    return [own == name for name in names]


def _settings(store: Path, run: Run) -> Settings:
    """The settings that a run was made with, without rounds: a group's effect is that on all rows."""
    known = {name: value for name, value in run.settings.items() if name in Options.model_fields and name != "rule"}
    return Settings.model_validate({**known, "source": run.source, "store": store, "rounds": 0})
