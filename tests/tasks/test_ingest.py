"""Ingest: who the rows are, when two runs are the same, what reaches the store, and that it is all or nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from culpa.tasks import owners, store, work
from tests.tasks.tables import animals, ask, ingested, saved

IDS = "SELECT row_id, row_hash, given_label FROM rows ORDER BY row_id"


def test_ids_and_hashes_never_change_from_one_version_to_the_next(tmp_path: Path) -> None:
    """Written down once: decisions of people hang on them."""
    frame = pd.DataFrame(
        {
            "number": [1.5, -0.25, None, 1.5],
            "count": pd.array([7, None, -3, 7], "Int16"),
            "word": ["é\x00z", "", None, "é\x00z"],
            "day": pd.to_datetime(["2020-01-01", None, "1969-12-31", "2020-01-01"]),
            "flag": pd.array([True, None, False, True], "boolean"),
            "animal": ["cat", "dog", "dog", "cat"],
        }
    )
    ingested(frame, tmp_path, text=("word",))
    assert ask(tmp_path, "SELECT row_id, row_hash FROM rows ORDER BY position") == [
        ("b5322f95cff24771-1", "f11f3aa7f02353338fd4be84ed08376a"),
        ("442d5a5187c005a7-1", "f2771a4011b4a94543c48dda2c9a49d5"),
        ("e8d62c52a690999a-1", "88620b3fcef9323b1c812257943b7581"),
        ("b5322f95cff24771-2", "f11f3aa7f02353338fd4be84ed08376a"),
    ]


def test_permuting_rows_and_columns_changes_no_id_and_no_hash(tmp_path: Path) -> None:
    frame = animals()
    twins = pd.concat([frame, frame[:3], frame[:3].assign(animal="emu")])
    shuffled = twins.sample(frac=1, random_state=1)[twins.columns[::-1]]
    found = []
    for name, table in (("a", twins), ("b", shuffled)):
        (tmp_path / name).mkdir()
        ingested(table, tmp_path / name)
        found.append(ask(tmp_path / name, IDS))
    assert found[0] == found[1]


def test_ids_do_not_depend_on_the_columns_left_out_nor_on_the_label_chosen_for_a_class(tmp_path: Path) -> None:
    ingested(animals(), tmp_path)
    ingested(animals(), tmp_path, ignore=("legs", "colour"))
    assert len(ask(tmp_path, "SELECT DISTINCT run_id FROM rows")) == 2
    assert ask(tmp_path, "SELECT count(DISTINCT (row_id, row_hash)) FROM rows") == [(60,)]


def test_equal_rows_are_told_apart_by_the_number_of_their_occurrence(tmp_path: Path) -> None:
    frame = animals()
    ingested(pd.concat([frame, frame[:1], frame[:1]]), tmp_path)
    found = [row for (row,) in ask(tmp_path, "SELECT row_id FROM rows WHERE position IN (0, 60, 61) ORDER BY position")]
    stem = found[0].removesuffix("-1")
    assert found == [f"{stem}-1", f"{stem}-2", f"{stem}-3"]
    assert ask(tmp_path, "SELECT count(DISTINCT row_hash) FROM rows WHERE position IN (0, 60, 61)") == [(1,)]


def test_a_key_names_the_rows_and_a_changed_row_keeps_its_name_under_another_hash(tmp_path: Path) -> None:
    frame = animals().assign(number=np.arange(60) + 100)
    ingested(frame, tmp_path, key="number")
    frame.loc[5, "weight"] += 1
    ingested(frame, tmp_path, key="number")
    assert ask(tmp_path, "SELECT min(row_id), max(row_id), count(DISTINCT row_id) FROM rows") == [("100", "159", 60)]
    changed = "SELECT row_id FROM rows GROUP BY row_id HAVING count(DISTINCT row_hash) > 1"
    assert ask(tmp_path, changed) == [("105",)]


def test_texts_that_run_into_each_other_are_not_the_same_row(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": ["x;", "x", "x;", "x"], "b": ["y", ";y", None, ""], "animal": ["cat", "cat", "dog", "dog"]}
    )
    ingested(frame, tmp_path)
    assert ask(tmp_path, "SELECT count(DISTINCT duplicate_group) FROM rows") == [(4,)]


def test_duplicates_are_judged_by_the_features_in_use(tmp_path: Path) -> None:
    frame = pd.concat([animals(), animals()[:5]], ignore_index=True).assign(number=lambda table: np.arange(len(table)))
    ingested(frame, tmp_path)
    assert ask(tmp_path, "SELECT count(DISTINCT duplicate_group), count(DISTINCT row_id) FROM rows") == [(60, 65)]


def test_the_data_are_stored_once_however_often_they_come(tmp_path: Path) -> None:
    frame = animals()
    ingested(frame, tmp_path)
    ingested(pd.concat([frame[30:], animals(90)[60:]]), tmp_path)
    [(table,)] = ask(tmp_path, "SELECT DISTINCT data_table FROM runs")
    assert ask(tmp_path, f"SELECT count(*) FROM {table}") == [(60 + len(animals(90)[60:]),)]


def test_a_table_with_other_columns_gets_a_data_table_of_its_own(tmp_path: Path) -> None:
    ingested(animals(), tmp_path)
    ingested(animals().drop(columns="legs"), tmp_path)
    assert len(ask(tmp_path, "SELECT DISTINCT data_table FROM runs")) == 2


def test_the_same_rows_and_settings_are_the_same_run_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    first = ingested(saved(animals(), tmp_path / "zoo.parquet"), tmp_path)
    again = ingested(saved(animals(), tmp_path / "copy" / "zoo.parquet"), tmp_path)
    assert first.run_id == again.run_id
    assert not again.unchanged  # it was never flagged
    assert ask(tmp_path, "SELECT count(*) FROM rows") == [(60,)]


def test_a_run_that_was_flagged_is_said_to_be_unchanged(tmp_path: Path) -> None:
    run = ingested(animals(), tmp_path)
    for state in ("flagged", "published"):
        with store.transaction(tmp_path / "culpa.duckdb") as connection:
            connection.execute("UPDATE runs SET state = ?", [state])
        again = ingested(animals(), tmp_path)
        assert (again.run_id, again.unchanged) == (run.run_id, True)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"ignore": ("legs",)},
        {"rounds": 0},
        {"source": animals().iloc[::-1]},
        {"source": animals()[:57]},
        {"source": animals().astype({"legs": "float32"})},
    ],
)
def test_another_setting_row_order_or_type_is_another_run(tmp_path: Path, change: dict[str, object]) -> None:
    run = ingested(animals(), tmp_path)
    assert ingested(change.pop("source", animals()), tmp_path, **change).run_id != run.run_id


def test_the_run_says_everything_that_it_rests_on(tmp_path: Path) -> None:
    ingested(saved(animals(), tmp_path / "zoo.parquet"), tmp_path, seed=3)
    with duckdb.connect(tmp_path / "culpa.duckdb", read_only=True) as connection:
        [run] = connection.execute("SELECT * FROM runs").df().to_dict("records")
    assert run["state"] == "ingested"
    assert run["source"] == str(tmp_path / "zoo.parquet")
    assert json.loads(run["classes"]) == ["cat", "dog", "emu"]
    assert json.loads(run["settings"])["seed"] == 3
    assert {"culpa", "duckdb", "python"} <= set(json.loads(run["versions"]))
    assert (run["row_count"], run["unlabelled_count"]) == (60, 0)
    assert ask(tmp_path, "SELECT dataset, label, task FROM datasets") == [("zoo", "animal", "classification")]


def test_nothing_is_left_beside_the_store(tmp_path: Path) -> None:
    ingested(animals(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["culpa.duckdb"]


def test_rows_that_also_lie_in_the_trusted_file_are_marked(tmp_path: Path) -> None:
    trusted = animals()[10:40]
    ingested(animals(), tmp_path, reference=saved(trusted, tmp_path / "trusted.csv"))
    marked = ask(tmp_path, "SELECT position FROM rows WHERE is_reference ORDER BY position")
    assert [place for (place,) in marked] == list(range(10, 40))
    assert ask(tmp_path, "SELECT count(*) FROM reference_rows") == [(30,)]


def test_with_keys_a_row_is_trusted_by_its_key_and_another_label_there_is_a_warning(tmp_path: Path) -> None:
    frame = animals().assign(number=np.arange(60) + 100)
    trusted = frame[10:40].assign(animal=["cat", "dog", "emu"] * 10)
    run = ingested(frame, tmp_path, key="number", reference=saved(trusted, tmp_path / "trusted.parquet"))
    assert ask(tmp_path, "SELECT min(row_id), max(row_id), count(*) FROM rows WHERE is_reference") == [
        ("110", "139", 30)
    ]
    assert run.warnings == (
        "30 rows also lie in the trusted file, with another label there: the label here is likely wrong",
    )


def test_the_trusted_file_may_have_more_columns_narrower_types_and_rows_without_a_label(tmp_path: Path) -> None:
    trusted = animals().astype({"legs": "int8"}).assign(extra=1)
    trusted.loc[:2, "animal"] = None
    run = ingested(animals(), tmp_path, reference=saved(trusted, tmp_path / "trusted.parquet"))
    assert run.warnings == ("3 rows of the reference file have no label and are not used",)
    assert ask(tmp_path, "SELECT count(*) FROM rows WHERE is_reference") == [(57,)]


def test_a_class_without_trusted_rows_is_a_warning(tmp_path: Path) -> None:
    trusted = animals().query("animal != 'emu'")
    run = ingested(animals(), tmp_path, reference=saved(trusted, tmp_path / "trusted.parquet"))
    assert run.warnings == (f"the reference file {tmp_path / 'trusted.parquet'} has no row of 1 classes: 'emu'",)


def test_another_trusted_file_is_another_run(tmp_path: Path) -> None:
    runs = [
        ingested(animals(), tmp_path, reference=saved(animals()[first:40], tmp_path / "trusted.parquet")).run_id
        for first in (0, 3)
    ]
    assert runs[0] != runs[1]


def test_what_dead_processes_left_is_swept_and_what_living_ones_use_is_not(tmp_path: Path) -> None:
    place = tmp_path / "culpa.duckdb"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine, left = work.claim(place, "mine"), work.claim(place, "left")
    (left / "owner").write_text(owners.signature().replace(f"-{os.getpid()}", f"-{dead.pid}"))
    ingested(animals(), tmp_path)
    assert mine.exists()
    assert not left.exists()


@pytest.mark.parametrize("step", ["os.replace", "Path.rename", "shutil.rmtree"])
def test_a_work_folder_half_made_or_half_removed_by_a_killed_process_is_swept(tmp_path: Path, step: str) -> None:
    place = tmp_path / "culpa.duckdb"
    code = f"""
import os, shutil, sys
from pathlib import Path
from culpa.tasks import work
if "{step}" == "shutil.rmtree":
    work.claim(Path(sys.argv[1]), "run")
{step} = lambda *_, **__: os.kill(os.getpid(), 9)
work.claim(Path(sys.argv[1]), "run")
work.remove(Path(sys.argv[1]), "run")
"""
    killed = subprocess.run([sys.executable, "-c", code, str(place)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(work.work_root(place).iterdir())) == 1
    assert len(work.sweep(place)) == 1
    assert not work.work_root(place).exists()


INGEST = """
import resource, sys
from culpa.tasks.ingest import ingest
from culpa.tasks.settings import read_settings
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
print("reading", flush=True)
ingest(read_settings(sys.argv[1], label="animal", store=sys.argv[2]))
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    rows = 130_000
    random = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": random.normal(size=rows) for i in range(8)}).assign(
        animal=["cat", "dog"] * (rows // 2)
    )
    return saved(frame, tmp_path / "large.parquet")


@pytest.mark.parametrize("full", ["the folder beside the store", "the store"])
def test_a_disk_that_is_full_leaves_no_half_run(tmp_path: Path, large: Path, full: str) -> None:
    """Files may not grow, as on a full disk: the staging file fails first, or the store where that is larger."""
    ingested(animals(), tmp_path)
    place = tmp_path / "culpa.duckdb"
    if full == "the store":
        with store.transaction(place) as connection:
            connection.execute("CREATE TABLE ballast AS SELECT random() AS x FROM range(9_000_000)")
    limit = place.stat().st_size + 1_000_000
    done = subprocess.run([sys.executable, "-c", INGEST, large, place, str(limit)], capture_output=True, text=True)
    assert ("staging.duckdb" in done.stderr.splitlines()[-1]) == (full != "the store")
    assert done.returncode == 1
    assert "CulpaError: cannot write beside or into the store" in done.stderr
    assert "nothing of this run was kept" in done.stderr
    assert ask(tmp_path, "SELECT dataset, row_count FROM runs") == [("table", 60)]
    assert ask(tmp_path, "SELECT count(*) FROM rows") == [(60,)]
    assert not work.work_root(tmp_path / "culpa.duckdb").exists()


@pytest.mark.parametrize("after", [0.05, 0.2, 0.5])
def test_a_killed_ingest_leaves_a_store_that_opens_and_a_rerun_completes(
    tmp_path: Path, large: Path, after: float
) -> None:
    place = tmp_path / "culpa.duckdb"
    running = subprocess.Popen([sys.executable, "-c", INGEST, large, place], stdout=subprocess.PIPE)
    assert running.stdout is not None
    running.stdout.readline()
    time.sleep(after)
    running.send_signal(signal.SIGKILL)
    running.wait()
    if place.exists():
        rows, runs = ask(tmp_path, "SELECT count(*), count(DISTINCT run_id) FROM rows")[0]
        assert rows == 130_000 * runs
    assert ingested(large, tmp_path).rows == 130_000
    assert ask(tmp_path, "SELECT count(*) FROM rows") == [(130_000,)]
    assert not work.work_root(place).exists()
