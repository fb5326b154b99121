"""Comments: whoever opens the store in a SQL tool reads there what every table, view and column of ours means."""

from pathlib import Path

import pyarrow as pa
import pytest

from culpa.tasks import store as stores
from culpa.tasks.comments import write_comments
from culpa.tasks.views import OURS, SHORT_NAMES
from tests.tasks.small_store import HARMFUL, PETS, SmallRun, ask, pets, small_run

SILENT = """
    SELECT table_name FROM duckdb_tables() WHERE comment IS NULL
    UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal AND comment IS NULL"""
SILENT_COLUMNS = """
    SELECT table_name || '.' || column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"""


def of_the_data(names: list[str]) -> list[str]:
    """Columns that are the user's own where data and views show them."""
    shown = tuple(f"{name}{end}." for name in SHORT_NAMES for end in ("", "_pets"))
    return [name for name in names if name.startswith(("data_", *shown)) and name.split(".")[1] in PETS.column_names]


def test_an_empty_store_tells_what_each_table_and_column_means(tmp_path: Path) -> None:
    stores.create(tmp_path / "culpa.duckdb")
    assert ask(tmp_path / "culpa.duckdb", SILENT) == []
    assert ask(tmp_path / "culpa.duckdb", SILENT_COLUMNS) == []


def test_only_the_users_own_columns_are_without_a_comment(folder: Path) -> None:
    run = pets(folder)
    assert ask(run.store, SILENT) == []
    silent = [name for (name,) in ask(run.store, SILENT_COLUMNS)]
    assert silent
    assert sorted(silent) == sorted(of_the_data(silent))


def test_a_users_column_named_like_one_of_the_store_gets_no_comment(folder: Path) -> None:
    table = pa.table({"id": ["a", "b"], "label": ["x", "y"], "position": [1, 2], "row_hash": ["p", "q"], "run": [1, 2]})
    run = small_run(folder, table, {"b": HARMFUL})
    run.tag()
    said = dict(
        ask(run.store, "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'flagged'"),
    )
    assert said["position"] is said["row_hash"] is said["label"] is said["data_run"] is None
    assert said["suspicion"].startswith("out-of-sample log-odds")
    assert all(said[name] for name in OURS & said.keys())


@pytest.mark.parametrize("name", ["it's; drop table rows", "Zoo"])
def test_data_sets_of_any_name_get_their_comments(folder: Path, name: str) -> None:
    run = pets(folder, dataset=name)
    assert ask(run.store, SILENT) == []
    found = ask(run.store, "SELECT comment FROM duckdb_views() WHERE view_name = ?", [f"review_queue_{name}"])
    assert "must_see first, then value = (rule_drops ? 1 - expected_wrong : expected_wrong)" in found[0][0]


def test_writing_the_comments_again_changes_nothing(folder: Path) -> None:
    run: SmallRun = pets(folder)
    before = ask(run.store, "SELECT table_name, column_name, comment FROM duckdb_columns() ORDER BY ALL")
    with stores.transaction(run.store) as connection:
        write_comments(connection)
    assert ask(run.store, "SELECT table_name, column_name, comment FROM duckdb_columns() ORDER BY ALL") == before
