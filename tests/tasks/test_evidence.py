"""Evidence: the rows that a reviewer should look at beside a flagged one."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from culpa.tasks.evidence import MOST_OTHERS, find_evidence_of
from culpa.tasks.explain import explain
from culpa.tasks.ingest import Ingested, ingest
from culpa.tasks.score import score
from culpa.tasks.settings import Settings, read_settings
from culpa.tasks.tag import tag
from culpa.tasks.train import train
from tests.tasks.small_store import ask

ROWS = 60


def two_clouds(name: str, count: int = ROWS, wrong: int = 0) -> pa.Table:
    """Two clouds of points far apart, the first `wrong` rows with the other cloud's label."""
    numbers = np.random.default_rng(len(name))
    side = np.arange(count) % 2
    labels = np.where(np.arange(count) < wrong, 1 - side, side)
    points = numbers.normal(size=(count, 2)) + 8 * side[:, None]
    return pa.table(
        {
            "id": [f"{name}{row}" for row in range(count)],
            "x": points[:, 0],
            "y": points[:, 1],
            "label": np.array(["cat", "dog"])[labels],
        }
    )


def scored(folder: Path, *, trusted: bool) -> tuple[Settings, Ingested, Path]:
    """A run with three wrong labels, up to its scores."""
    pq.write_table(two_clouds("r", wrong=3), folder / "rows.parquet")
    pq.write_table(two_clouds("t", 30), folder / "trusted.parquet")
    reference = {"reference": folder / "trusted.parquet"} if trusted else {}
    settings = read_settings(
        folder / "rows.parquet", label="label", key="id", store=folder / "culpa.duckdb", proxy="linear", **reference
    )
    ingested = ingest(settings)
    return settings, ingested, score(ingested, train(ingested, settings), settings)


@pytest.mark.parametrize("trusted", [False, True])
def test_evidence_names_rows_that_exist_and_ranks_them(folder: Path, trusted: bool) -> None:
    _, _, work = scored(folder, trusted=trusted)
    found = find_evidence_of(work, ["r0", "r1"]).to_pylist()
    assert {one["row_id"] for one in found} == {"r0", "r1"}
    of_rows = [one for one in found if one["kind"] in ("harms_reference", "helps_reference", "outvoted_by")]
    cells = [one for one in found if one["kind"] == "blamed_cell"]
    assert len(of_rows) + len(cells) == len(found)
    assert {one["word"] for one in cells} <= {"x", "y"}
    assert {one["row_id"] for one in cells} == {"r0", "r1"}
    for one in of_rows:
        of_reference = trusted and one["kind"] != "outvoted_by"
        assert one["other_is_reference"] == of_reference
        assert one["other_row_id"].startswith("t" if of_reference else "r")
        assert one["other_row_id"] != one["row_id"]
    ranks = [one["rank"] for one in found if (one["row_id"], one["kind"]) == ("r0", "outvoted_by")]
    assert ranks == list(range(1, MOST_OTHERS + 1))


def test_a_wrong_label_is_outvoted_by_rows_of_the_true_one(folder: Path) -> None:
    settings, ingested, work = scored(folder, trusted=False)
    summary = tag(ingested, work, settings)
    assert summary.droppable == summary.evidence == 3
    found = ask(
        settings.store,
        """SELECT DISTINCT r.given_label <> g.given_label FROM evidence e JOIN rows r USING (row_id)
           JOIN rows g ON g.row_id = e.other_row_id WHERE e.kind = 'outvoted_by'""",
    )
    assert found == [(True,)]
    assert "outvoted by: row r" in explain(settings.store, "r0").text


def test_no_flagged_row_needs_no_model(folder: Path) -> None:
    assert find_evidence_of(folder / "nothing", []).num_rows == 0
