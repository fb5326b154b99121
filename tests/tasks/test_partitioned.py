"""Folders of Parquet that columns divide, in and out."""

import datetime
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from culpa.tasks import outputs, owners
from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.publishing.publish import publish
from culpa.tasks.reviews.decide import decide
from culpa.tasks.settings import read_settings
from culpa.tasks.sinks import partitioned
from culpa.tasks.store import connect
from culpa.tasks.upkeep.published_files import changed_files
from tests.tasks.small_store import HARMFUL, PETS, SmallRun, pets, small_run
from tests.tasks.tables import animals, ask, ingested


def divided(frame: pd.DataFrame, folder: Path, *columns: str) -> Path:
    frame.to_parquet(folder, index=False, partition_cols=list(columns))
    return folder


def types_of(folder: Path) -> dict[str, str]:
    [(table,)] = ask(folder, "SELECT data_table FROM runs")
    return {name: kind for name, kind, *_ in ask(folder, f"DESCRIBE {table}")}


def test_the_columns_that_name_the_folders_have_the_types_that_their_values_look_like(tmp_path: Path) -> None:
    frame = animals().assign(
        day=[datetime.date(2024, 5, 1), datetime.date(2024, 5, 2)] * 30, n=[1, 2, 3] * 20, code=["01", "02"] * 30
    )
    folder = divided(frame, tmp_path / "zoo", "day", "n", "code")
    ingested(folder, tmp_path, categorical=("code",))
    found = types_of(tmp_path)
    assert (found["day"], found["n"], found["code"]) == ("DATE", "BIGINT", "VARCHAR")
    [(table,)] = ask(tmp_path, "SELECT data_table FROM runs")
    assert ask(tmp_path, f"SELECT DISTINCT code FROM {table} ORDER BY 1") == [("01",), ("02",)]


def test_a_column_that_names_the_folders_can_be_the_label_with_a_missing_one_among_them(tmp_path: Path) -> None:
    frame = animals().assign(animal=[None, *animals()["animal"][1:]])
    found = ingested(divided(frame, tmp_path / "zoo", "animal"), tmp_path)
    assert (found.rows, found.unlabelled, found.classes) == (60, 1, ("cat", "dog", "emu"))


def test_rows_keep_their_ids_however_the_folder_is_cut_into_files(tmp_path: Path) -> None:
    names = []
    for which, cut in enumerate((60, 7)):
        here = tmp_path / str(which)
        for start in range(0, 60, cut):
            divided(animals()[start : start + cut], here / "zoo", "colour")
        ingested(here / "zoo", here)
        names.append(sorted(ask(here, "SELECT row_id, row_hash FROM rows")))
    assert names[0] == names[1]


def cut_pets(folder: Path, **options: Any) -> SmallRun:
    return pets(folder, table=PETS.append_column("day", pa.array([1, 1, 2, 2, 1, 1, 2, 2, 1, None])), **options)


def read(folder: Path) -> pa.Table:
    return ds.dataset(folder, partitioning="hive").to_table()


def test_the_clean_rows_are_divided_and_with_the_quarantine_are_the_input(folder: Path) -> None:
    run = cut_pets(folder)
    published = run.publish(folder / "out", partition_by=("day",))
    assert published.clean == folder / "out"
    clean, quarantine = read(folder / "out"), pq.read_table(folder / "out.quarantine.parquet")
    names = [*PETS.column_names, "day"]
    together = pa.concat_tables([clean.select(names), quarantine.select(names)], promote_options="permissive")
    given = PETS.append_column("day", pa.array([1, 1, 2, 2, 1, 1, 2, 2, 1, None]))
    assert together.sort_by("id").to_pylist() == given.to_pylist()
    assert sorted(one.name for one in (folder / "out").iterdir()) == [
        "_culpa.json", "day=1", "day=2", "day=__HIVE_DEFAULT_PARTITION__",
    ]  # fmt: skip
    part = pq.read_table(folder / "out" / "day=1" / "part-0.parquet", partitioning=None)
    assert part.schema.names == PETS.column_names
    assert part["id"].to_pylist() == ["r0", "r1", "r5", "r8"]  # in the input's order


def test_the_manifest_seals_the_files_of_the_folder(folder: Path) -> None:
    run = cut_pets(folder)
    run.publish(folder / "out", partition_by=("day",))
    said = json.loads((folder / "out.manifest.json").read_text())
    assert (said["partition_by"], said["files"]["clean"]["rows"]) == (["day"], 8)
    assert said["files"]["clean"]["sha256"] == outputs.checksum(folder / "out")
    (folder / "out" / "day=1" / "part-1.parquet").write_bytes(b"")
    assert said["files"]["clean"]["sha256"] != outputs.checksum(folder / "out")


def test_the_check_of_a_store_looks_into_the_folder(folder: Path) -> None:
    run = cut_pets(folder)
    run.publish(folder / "out.parquet", partition_by=("day",))
    with connect(run.store, read_only=True) as connection:
        before = [found[0] for found in changed_files(connection)]
        (folder / "out.parquet" / "day=1" / "part-0.parquet").write_bytes(b"")
        changed = [found[0] for found in changed_files(connection)]
        outputs.remove(folder / "out.parquet")
        gone = [found[0] for found in changed_files(connection)]
    assert (before, changed, gone) == ([], ["file_changed"], ["file_missing"])


def test_publishing_again_finds_the_layout_and_changes_nothing(folder: Path) -> None:
    run = cut_pets(folder)
    run.publish(folder / "out", partition_by=("day",))
    before = outputs.checksum(folder / "out")
    assert publish(run.store, run.run_id, max_drop=0.3).unchanged
    (folder / "out" / "day=1" / "part-0.parquet").unlink()
    assert not publish(run.store, run.run_id, max_drop=0.3).unchanged
    assert outputs.checksum(folder / "out") == before


def test_a_decision_replaces_the_folder_and_leaves_nothing_of_the_old(folder: Path) -> None:
    run = cut_pets(folder)
    run.publish(folder / "out", partition_by=("day",))
    decide(run.store, [f"r{row}" for row in (2, 3, 6, 7)], "drop", by="ann")
    run.publish(folder / "out", max_drop=1.0, max_drop_per_class=1.0)
    assert not (folder / "out" / "day=2").exists()
    assert [one.name for one in folder.iterdir() if "draft" in one.name] == []


@pytest.mark.parametrize("failing", ["first", "second"])
def test_a_rename_that_fails_leaves_the_folder_that_was_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    run = cut_pets(folder)
    run.publish(folder / "out", partition_by=("day",))
    before = outputs.checksum(folder / "out")
    decide(run.store, ["r4"], "keep", by="ann")
    real, calls = Path.rename, []

    def rename(path: Path, target: Path) -> Path:
        if path.name == "out" or str(target).endswith("/out"):
            calls.append(path)
            if len(calls) == ["first", "second"].index(failing) + 1:
                raise OSError("no")
        return real(path, target)

    with monkeypatch.context() as context:
        context.setattr(Path, "rename", rename)
        with pytest.raises(CulpaError, match="nothing was published"):
            run.publish(folder / "out")
    assert outputs.checksum(folder / "out") == before
    assert not run.publish(folder / "out").unchanged


def test_drafts_of_a_dead_publish_are_swept_whole(folder: Path) -> None:
    run = cut_pets(folder)
    gone = subprocess.Popen(["true"])
    gone.wait()
    mine = outputs.draft_of(folder / "out")
    dead = folder / mine.name.replace(f"-{os.getpid()}.", f"-{gone.pid}.")
    (dead / "day=1").mkdir(parents=True)
    (dead / "day=1" / "part-0.parquet").write_bytes(b"half")
    run.publish(folder / "out", partition_by=("day",))
    assert not dead.exists()


def test_a_folder_that_a_killed_publish_moved_aside_is_back_at_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cut_pets(folder)
    run.publish(folder / "out", partition_by=("day",))
    before = outputs.checksum(folder / "out")
    gone = subprocess.Popen(["true"])
    gone.wait()
    signature = owners.signature().replace(f"-{os.getpid()}", f"-{gone.pid}")
    with monkeypatch.context() as context:
        context.setattr(owners, "signature", lambda: signature)
        draft = outputs.draft_of(folder / "out")
        draft.mkdir()
        context.setattr(Path, "rename", lambda path, to: None if path == draft else os.rename(path, to))
        context.setattr(outputs, "remove", lambda _: None)  # killed before the second rename
        outputs._appear(draft, folder / "out")
    assert not (folder / "out").exists()
    assert run.publish(folder / "out").unchanged
    assert outputs.checksum(folder / "out") == before
    assert [one.name for one in folder.iterdir() if "culpa-" in one.name] == []


VALUES = {
    "text": pa.array(["a/b", "", None, "é ..=%2F", "007", "7", "x y'z", "__"]),
    "numbers": pa.array([1, -2, None, 4, 5, 6, 7, 8], pa.int8()),
    "booleans": pa.array([True, False, None, True, False, True, True, False]),
    "dates": pa.array([1, 2, None, 3, 4, 5, 6, 7], pa.date32()),
    "categories": pa.array(["a", "b", None, "a", "b", "a", "b", "a"]).dictionary_encode(),
}


def test_values_of_every_kind_that_can_name_a_folder_read_back_as_they_were(folder: Path) -> None:
    run = small_run(folder, pa.table({"id": list("abcdefgh"), **VALUES, "label": ["x", "y"] * 4}), {"c": HARMFUL})
    run.tag()
    for name in VALUES:
        run.publish(folder / name, partition_by=(name,))  # it reads back what it wrote, or refuses
        assert read(folder / name).num_rows == 7


def test_a_value_that_is_lost_in_a_folders_name_is_not_published(folder: Path) -> None:
    table = pa.table({"id": list("ab"), "by": ["__HIVE_DEFAULT_PARTITION__", "x"], "label": ["x", "y"]})
    run = small_run(folder, table, {})
    run.tag()
    with pytest.raises(CulpaError, match="does not read back as it was written"):
        run.publish(folder / "out", partition_by=("by",))
    assert not (folder / "out").exists()


def test_a_run_that_loses_every_row_leaves_an_empty_folder(folder: Path) -> None:
    run = cut_pets(folder)
    decide(run.store, [f"r{row}" for row in range(10)], "drop", by="ann")
    run.publish(folder / "out", partition_by=("day",), max_drop=1.0, max_drop_per_class=1.0)
    assert [one.name for one in (folder / "out").iterdir()] == ["_culpa.json"]
    assert pq.read_metadata(folder / "out.quarantine.parquet").num_rows == 10


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("dya",), "there is no column 'dya' .*did you mean 'day'"),
        (("weight",), "cannot partition by 'weight', which is double"),
        (("day", "id", "label", "weight"), "cannot partition by 'weight'"),
    ],
)
def test_columns_that_cannot_divide_are_refused(folder: Path, columns: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        cut_pets(folder).publish(folder / "out", partition_by=columns)


def test_too_many_partitions_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioned, "MOST_PARTITIONS", 3)
    with pytest.raises(BadInput, match="cannot partition by id"):
        cut_pets(folder).publish(folder / "out", partition_by=("id",))


def test_a_folder_that_culpa_did_not_write_is_never_replaced(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "precious.txt").write_text("mine")
    with pytest.raises(BadInput, match="is there already, and culpa did not write it"):
        cut_pets(folder).publish(folder / "out", partition_by=("day",))
    assert (folder / "out" / "precious.txt").read_text() == "mine"


def test_the_input_cannot_be_the_folder_to_write(tmp_path: Path) -> None:
    folder = divided(animals(), tmp_path / "zoo", "colour")
    for out in (folder, tmp_path, folder / "inside"):
        with pytest.raises(BadInput, match=r"did not write it|is the input itself|would be read as input"):
            ingested(folder, tmp_path, out=out, partition_by=("colour",))


def test_how_the_output_lies_is_no_part_of_the_answer() -> None:
    one = read_settings("a.parquet", label="y")
    assert read_settings("a.parquet", label="y", partition_by=("day",)).answer_settings() == one.answer_settings()
