"""Listing the runs, and asking the store in SQL without changing it."""

from pathlib import Path

import pytest

from culpa.tasks.errors import BadInput
from culpa.tasks.runs import list_runs, query
from tests.tasks.small_store import PETS, ask, pets, small_run


def test_runs_are_listed_the_newest_first_with_their_counts(folder: Path) -> None:
    run = pets(folder)
    run.publish()
    small_run(folder, PETS, {}, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00")
    new, old = list_runs(run.store)
    assert (new["run_id"], new["state"], new["rows"], new["flagged"]) == ("bbbbbbbbbbbb", "ingested", 10, 0)
    assert (old["state"], old["unlabelled"], old["flagged"], old["droppable"], old["dropped"]) == (
        "published",
        1,
        3,
        2,
        2,
    )


def test_a_query_answers_as_an_arrow_table(folder: Path) -> None:
    found = query(pets(folder).store, "select row_id, tag from flagged limit 1;")
    assert found.to_pylist() == [{"row_id": "r4", "tag": "mislabeled"}]


EXPLAINED = "explain /* ü */ (analyze, format json) with x as (from runs) select * from x"


@pytest.mark.parametrize(
    "sql", ["from runs", "describe flagged", "show tables", "explain from runs", "values (1)", EXPLAINED]
)
def test_everything_that_only_reads_is_allowed(folder: Path, sql: str) -> None:
    assert query(pets(folder).store, sql).num_rows > 0


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "insert into decisions (row_id, decision, reviewed_by) values ('r4', 'keep', 'ann')",
            "INSERT writes or changes",
        ),
        ("delete from rows", "this only reads, and DELETE writes"),
        ("drop view flagged", "DROP"),
        ("copy runs to 'x.csv'", "COPY"),
        ("explain analyze copy (select 1) to 'x.csv'", "this only reads, and COPY writes"),
        ("explain /* ü */ (analyze) copy (select 1) to 'x.csv'", "COPY"),
        ("explain analyze with x as (select 1) delete from rows", "DELETE"),
        ("pivot runs on state using count(*)", "only one SELECT is answered here"),
        ("call pragma_version()", "only one SELECT is answered here"),
        ("pragma database_size", "only one SELECT is answered here"),
        ("attach 'other.duckdb'", "ATTACH"),
        ("with x as (select 1) update rows set position = 1", "UPDATE"),
        ("select 1; select 2", "needed one SQL query, got 2 statements"),
        ("", "got 0 statements"),
        ("selec 1", "cannot read this SQL.*syntax error"),
        ("select nothing from flagged", 'cannot answer this query.*"nothing" not found'),
    ],
)
def test_everything_else_is_refused_with_its_reason(folder: Path, sql: str, message: str) -> None:
    run = pets(folder)
    with pytest.raises(BadInput, match=f"(?s){message}"):
        query(run.store, sql)
    assert ask(run.store, "SELECT count(*) FROM decisions") == [(0,)]
    assert not Path("x.csv").exists()
