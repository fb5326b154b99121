"""Every query of tasks/README.md runs on a real store and finds something there; its tables are those of the store."""

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from culpa.tasks.evidence import SCHEMA
from culpa.tasks.reviews.decide import decide
from culpa.tasks.store import transaction
from tests.tasks.small_store import HARMFUL, PET_SCORES, PETS, SmallRun, ask, come_onto, pets, small_run

PAGE = (Path(__file__).parents[2] / "tasks" / "README.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^### (.+?)\n+```sql\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
EARLIER, RUN, BATCH = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
NAMES = {"ROW": "r4", "RUN": RUN, "EARLIER": EARLIER}

FOUND_ELSEWHERE = f"""
    INSERT INTO calibration (run_id, budget, wrong_expected, precision_expected, suspicion)
        VALUES ('{RUN}', 1, 1.0, 1.0, 3.0), ('{RUN}', 10, 3.0, 0.3, -4.0);
    INSERT INTO proxy_scores (run_id, row_id, proxy, probability_without) VALUES ('{RUN}', 'r4', 'forest', 0.1);
    INSERT INTO drifts VALUES ('{BATCH}', 'new.parquet', 'cat -> dog', 2, 0.1, 0.5, 3.0, 0.001, now()::TIMESTAMP);
    UPDATE rows SET duplicate_group = 7 WHERE run_id = '{RUN}' AND row_id IN ('r0', 'r2');"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An earlier run, published; a later one in which r0 changed, with decisions; and a batch onto it."""
    folder = tmp_path_factory.mktemp("readme")
    pets(folder).publish()
    decide(folder / "culpa.duckdb", ["r0"], "keep", by="ann")
    changed = PETS.set_column(1, "weight", pa.array([9.0, *PETS["weight"].to_pylist()[1:]]))
    later = small_run(folder, changed, {**PET_SCORES, "r2": HARMFUL}, run_id=RUN, at="2026-02-01 00:00:00")
    blame = {"row_id": "r4", "kind": "outvoted_by", "rank": 1, "other_row_id": "r1", "other_is_reference": False}
    later.tag(evidence=pa.Table.from_pylist([{**blame, "value": 0.5}], schema=SCHEMA))
    new = pa.table({"id": ["n0", "n1"], "weight": [4.1, 31.0], "label": ["cat", "cat"]}, schema=PETS.schema)
    batch: SmallRun = small_run(folder, new, {"n1": HARMFUL}, run_id=BATCH, at="2026-03-01 00:00:00")
    batch.tag()
    come_onto(batch, RUN)
    decide(later.store, ["r4"], "keep", by="ann")
    decide(later.store, ["r4"], "drop", by="bob")
    with transaction(later.store) as connection:
        connection.execute(FOUND_ELSEWHERE)
        connection.execute(
            f"UPDATE runs SET state = 'published', published_at = now()::TIMESTAMP WHERE run_id = '{RUN}'"
        )
    return later.store


def named(query: str) -> str:
    return re.sub(r"\b(ROW|RUN|EARLIER)\b", lambda found: NAMES[found[0]], query)


def test_there_are_enough_ready_queries() -> None:
    assert len(QUERIES) >= 20
    assert len(re.findall(r"^```sql", PAGE, flags=re.MULTILINE)) == len(QUERIES) + 1  # and one that decides


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_the_query_finds_something(store: Path, title: str, query: str) -> None:
    with duckdb.connect(store, read_only=True) as connection:
        found = connection.execute(named(query)).fetchall()
    assert found, title


def test_the_statement_that_decides_writes_under_the_reviewers_name(folder: Path) -> None:
    run = pets(folder)
    block = re.search(r"^```sql\n(set variable.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert block
    with duckdb.connect(run.store) as connection:
        connection.execute(named(block[1]))
    assert ask(run.store, "SELECT decision, reviewed_by, state FROM current_decisions") == [
        ("defer", "ann", "deferred")
    ]


def test_the_page_lists_exactly_the_tables_and_views_of_the_store(store: Path) -> None:
    table = PAGE[PAGE.index("## All tables") : PAGE.index("## The order")]
    firsts = re.findall(r"^\| (`.*?`) \|", table, flags=re.MULTILINE)
    listed = {name for first in firsts for name in re.findall(r"`(\w+)`", first)}
    there = {name for (name,) in ask(store, "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM "
                                            "duckdb_views() WHERE NOT internal")}  # fmt: skip
    assert listed == {name for name in there if not name.startswith("data_") and not name.endswith("_pets")}
