"""`culpa store check`: a sound store passes, and each way to break one is found and named with its cure."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from culpa.flows.command import answer
from culpa.tasks.opening import SCHEMA_VERSION
from culpa.tasks.upkeep.inspect import SAID, inspect
from tests.tasks.real_store import real_store

FIRST = "(SELECT min(row_id) FROM rows)"
RUN = "(SELECT min(run_id) FROM runs)"
BROKEN = {  # problem -> statements that bring it about
    "without_run": "INSERT INTO tags SELECT * REPLACE ('nobody' AS run_id) FROM tags LIMIT 3",
    "without_row": f"UPDATE evidence SET row_id = 'nobody'; INSERT INTO held_back SELECT {RUN}, 'nobody', 'why'",
    "other_content": f"UPDATE scores SET row_hash = md5('other') WHERE row_id = {FIRST}",
    "rows_missing": f"DELETE FROM rows WHERE row_id = {FIRST}",
    "rows_twice": f"INSERT INTO rows SELECT * FROM rows WHERE row_id = {FIRST}",
    "scores_missing": f"DELETE FROM scores WHERE row_id = {FIRST}",
    "tags_missing": f"DELETE FROM tags WHERE row_id = {FIRST}",
    "scored_too_early": "UPDATE runs SET state = 'ingested'",
    "outcomes_twice": "INSERT INTO outcomes SELECT * FROM outcomes LIMIT 1",
    "state_unclear": "UPDATE runs SET flagged_at = NULL",
    "batch_without_root": "UPDATE runs SET onto = 'nobody'",
    "decisions_twice": "INSERT INTO decisions SELECT * FROM decisions LIMIT 1",
    "decision_on_no_dataset": "INSERT INTO decisions (row_id, dataset, decision) VALUES ('p1', 'dogs', 'keep')",
    "decision_on_no_row": "INSERT INTO decisions (row_id, decision) VALUES ('p999', 'keep')",
    "outcome_of_no_decision": "UPDATE outcomes SET decision_id = 99 WHERE decision_id IS NOT NULL",
    "no_data": "UPDATE runs SET data_table = 'data_gone'",
    "rows_without_data": "DELETE FROM {data} WHERE __row_id = 'p1'",
    "changed_content": "UPDATE {data} SET weight = weight + 0.01 WHERE __row_id = 'p1'",
    "view_broken": "CREATE TABLE gone (x INTEGER); CREATE VIEW broken AS SELECT x FROM gone; DROP TABLE gone",
}
FILES = {"file_missing", "file_changed", "file_unbalanced", "draft_left"}


def problems(store: Path) -> dict[str, str]:
    return {one.problem: one.line for one in inspect(store).problems}


def change(store: Path, sql: str) -> None:
    """As any SQL tool would."""
    with duckdb.connect(store) as connection:
        table = connection.execute("SELECT data_table FROM runs").fetchall()[0][0]
        connection.execute(sql.replace("{data}", f'"{table}"'))


def test_a_sound_store_has_no_problem(tmp_path: Path) -> None:
    store = real_store(tmp_path)
    found = inspect(store)
    assert found.problems == ()
    assert found.schema_version == SCHEMA_VERSION
    assert found.counts == {"runs": 1, "rows": 60, "scores": 60, "tags": 60, "decisions": 3, "published": 1}


def test_every_problem_that_can_be_told_is_tested_here() -> None:
    assert set(SAID) == BROKEN.keys() | FILES


@pytest.mark.parametrize("problem", BROKEN)
def test_a_store_that_was_broken_on_purpose_is_found_out(tmp_path: Path, problem: str) -> None:
    store = real_store(tmp_path)
    change(store, BROKEN[problem])
    found = problems(store)
    said, cure = SAID[problem]
    assert said in found[problem]
    assert cure in found[problem]


def test_a_reference_row_that_was_changed_is_found_out(tmp_path: Path) -> None:
    store = real_store(tmp_path)
    with duckdb.connect(store) as connection:
        table = connection.execute("SELECT reference_sets->0->>'table' FROM runs").fetchall()[0][0]
        other = "CASE label WHEN 'cat' THEN 'dog' ELSE 'cat' END"
        connection.execute(f"UPDATE \"{table}\" SET label = {other} WHERE __row_id = 't3'")
    assert f"{table}: {SAID['changed_content'][0]}: " in problems(store)["changed_content"]


@pytest.mark.parametrize("name", ["cleaned.parquet", "cleaned.quarantine.parquet", "cleaned.manifest.json"])
def test_a_published_file_that_is_gone_or_changed_is_found_out(tmp_path: Path, name: str) -> None:
    store = real_store(tmp_path)
    file = tmp_path / name
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"x")
    assert str(file) in problems(store)["file_changed"]
    file.unlink()
    assert list(problems(store)) == ["file_missing"]
    assert str(file) in problems(store)["file_missing"]
    file.write_bytes(content)
    assert problems(store) == {}


def test_a_manifest_that_counts_other_rows_than_the_store_is_found_out(tmp_path: Path) -> None:
    store = real_store(tmp_path)
    manifest = tmp_path / "cleaned.manifest.json"
    said = json.loads(manifest.read_text())
    said["files"]["clean"]["rows"] += 1
    manifest.write_text(json.dumps(said))
    assert "that together are not the input: 1" in problems(store)["file_unbalanced"]


def test_what_a_killed_process_left_is_found_and_swept_by_the_next_run(tmp_path: Path) -> None:
    store = real_store(tmp_path)
    code = """
        import os, sys
        from pathlib import Path
        from culpa.tasks import outputs, work
        store = Path(sys.argv[1])
        work.claim(store, "killed")
        outputs.draft_of(store.with_name("cleaned.parquet")).write_text("half")
        os.kill(os.getpid(), 9)
    """
    subprocess.run([sys.executable, "-c", "if True:" + code, str(store)], check=False)
    lines = [one.line for one in inspect(store).problems]
    assert len(lines) == 2
    assert any(".cleaned.parquet." in line for line in lines)
    assert any("culpa.duckdb.work/killed" in line for line in lines)


def test_the_command_says_that_all_is_well_or_names_each_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = real_store(tmp_path)
    check = ["store", "check", "--store", str(store)]
    assert answer(check) == 0
    assert capsys.readouterr().out.startswith("all is well: version ")
    change(store, BROKEN["rows_twice"])
    assert answer(check) == 1
    assert "rows of the same name: 1; go back to the store's last copy" in capsys.readouterr().out
    assert answer([*check, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {"rows_twice", "rows_missing"} <= {one["problem"] for one in told["problems"]}
    assert all(one["cure"] for one in told["problems"])
    assert answer(["store", "check", "--store", str(tmp_path / "none.duckdb")]) == 2
