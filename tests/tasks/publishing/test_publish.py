"""Publishing: clean + quarantine = input, the input's schema, the same bytes twice, and nothing half done."""

import errno
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from culpa.tasks import formats, outputs, store
from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.publishing import balance, manifest, sides
from culpa.tasks.publishing import publish as publishing
from culpa.tasks.publishing.publish import publish
from culpa.tasks.reviews.decide import decide
from tests.tasks.small_store import HARMFUL, PETS, ask, pets, small_run


def files(folder: Path) -> dict[str, str]:
    """Every file in a folder, hidden ones too, with a hash of its bytes; the store apart."""
    return {
        path.name: hashlib.md5(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith("culpa.duckdb")
    }


def test_clean_and_quarantine_together_are_the_input(folder: Path) -> None:
    published = pets(folder).publish()
    clean, quarantine = pq.read_table(published.clean), pq.read_table(published.quarantine)
    assert clean.column("id").to_pylist() == ["r0", "r1", "r2", "r3", "r5", "r6", "r8", "r9"]
    assert quarantine.column("id").to_pylist() == ["r4", "r7"]
    together = pa.concat_tables([clean, quarantine.select(PETS.column_names)]).sort_by("id")
    assert together.equals(PETS)
    assert published.counts == {"rows": 10, "clean": 8, "dropped": 2, "relabelled": 0, "kept": 0, "unlabelled": 1}


def test_the_quarantine_says_of_every_row_which_tag_and_why(folder: Path) -> None:
    quarantine = pq.read_table(pets(folder).publish().quarantine)
    assert quarantine.column_names == [*PETS.column_names, "row_id", "tag", "reason", "run"]
    assert quarantine.column("row_id").to_pylist() == ["r4", "r7"]
    assert quarantine.column("tag").to_pylist() == ["mislabeled", "systematic_error"]
    assert "wrong with probability 0.99" in quarantine.column("reason")[0].as_py()
    assert set(quarantine.column("run").to_pylist()) == {"aaaaaaaaaaaa"}


def test_columns_of_the_user_keep_their_names_in_the_quarantine(folder: Path) -> None:
    table = pa.table({"row_id": ["a", "b", "c"], "Tag": [1, 2, 3], "label": ["x", "y", "x"]})
    run = small_run(folder, table, {"c": HARMFUL}, key="row_id")
    run.tag()
    quarantine = pq.read_table(run.publish(max_drop=0.5).quarantine)
    assert quarantine.column_names == ["row_id", "Tag", "label", "culpa_row_id", "culpa_tag", "reason", "run"]


def test_publishing_again_changes_nothing_and_says_so(folder: Path) -> None:
    run = pets(folder)
    assert not run.publish().unchanged
    before, times = files(folder), ask(run.store, "SELECT published_at FROM runs")
    assert run.publish().unchanged
    assert (files(folder), ask(run.store, "SELECT published_at FROM runs")) == (before, times)


@pytest.mark.parametrize("ending", formats.ENDINGS)
def test_the_same_run_gives_the_same_bytes_in_every_format(folder: Path, ending: str) -> None:
    run = pets(folder)
    first = run.publish(folder / f"out{ending}")
    before = files(folder)
    for path in (first.clean, first.quarantine, first.manifest):
        path.unlink()
    assert not run.publish(folder / f"out{ending}").unchanged
    assert files(folder) == before


def test_json_lines_do_not_depend_on_the_machines_time_zone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = pa.array([0, 3_600_000_000], pa.timestamp("us", "Europe/Berlin"))
    run = small_run(folder, pa.table({"id": ["a", "b"], "at": at, "label": ["x", "y"]}), {})
    run.tag()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    lines = run.publish(folder / "out.jsonl").clean.read_text().splitlines()
    assert json.loads(lines[1]) == {"id": "b", "at": "1970-01-01 01:00:00+00", "label": "y"}


@pytest.mark.parametrize("name", ["cleaned.parquet", "cleaned.quarantine.parquet", "cleaned.manifest.json"])
def test_an_output_that_was_changed_by_hand_is_written_anew(folder: Path, name: str) -> None:
    run = pets(folder)
    run.publish()
    before = files(folder)
    (folder / name).write_text("{}")
    assert not run.publish().unchanged
    assert files(folder) == before


def test_a_decision_makes_a_published_run_publish_anew(folder: Path) -> None:
    run = pets(folder)
    run.publish()
    decide(run.store, ["r4"], "keep", by="ann")
    published = run.publish()
    assert (published.unchanged, published.counts["dropped"], published.counts["kept"]) == (False, 1, 1)


def test_the_store_remembers_what_was_published_and_where(folder: Path) -> None:
    run = pets(folder)
    run.publish()
    assert ask(run.store, "SELECT state, out, published_at IS NOT NULL FROM runs") == [
        ("published", str(folder / "cleaned.parquet"), True)
    ]
    assert ask(run.store, "SELECT row_id, outcome, decision_id FROM outcomes ORDER BY row_id") == [
        ("r4", "dropped", None),
        ("r7", "dropped", None),
    ]


def test_the_manifest_seals_the_files_and_counts_the_rows(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r4"], "relabel", "cat", by="ann")
    published = run.publish()
    said = json.loads(published.manifest.read_text())
    assert said["run"] == run.run_id
    assert said["counts"]["outcomes"] == {"dropped": 1, "passed": 8, "relabelled": 1}
    assert said["counts"]["tags"] == {"mislabeled": 1, "neither": 7, "rare_but_useful": 1, "systematic_error": 1}
    assert said["counts"]["decisions"] == {"relabel": 1}
    assert said["parameters"]["false_discovery_rate"] == 0.1
    for role, path in (("clean", published.clean), ("quarantine", published.quarantine)):
        sealed = said["files"][role]
        assert sealed["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert sealed["rows"] == pq.read_metadata(path).num_rows
    total = ask(run.store, f"SELECT CAST(sum({balance.ROW_CHECKSUM}) AS VARCHAR) FROM rows")[0][0]
    assert int(total) == sum(int(one["row_checksum"]) for one in said["files"].values())


@pytest.mark.parametrize(
    ("labels", "new", "expected"),
    [
        (pa.array([0, 1, 0, 1], pa.int8()), "1", 1),
        (pa.array([True, False, True, False]), "false", False),
        (pa.array(["a", "b", "a", "b"]).dictionary_encode(), "b", "b"),
        (pa.array(["a", "b", "a", "b"], pa.large_string()), "b", "b"),
    ],
)
def test_a_new_label_has_the_label_columns_type(folder: Path, labels: pa.Array, new: str, expected: Any) -> None:
    table = pa.table({"id": ["w", "x", "y", "z"], "n": [1, 2, 3, 4], "label": labels})
    run = small_run(folder, table, {})
    run.tag()
    decide(run.store, ["w"], "relabel", new, by="ann")
    clean = pq.read_table(run.publish().clean)
    assert clean.schema.equals(table.schema)
    assert clean.column("label").to_pylist() == [expected, *labels.to_pylist()[1:]]
    assert clean.column("n").to_pylist() == [1, 2, 3, 4]


def test_a_regression_target_can_be_corrected(folder: Path) -> None:
    table = pa.table({"id": ["a", "b"], "label": pa.array([1.0, 200.0], pa.float32())})
    run = small_run(folder, table, {}, task="regression")
    run.tag()
    decide(run.store, ["b"], "relabel", "2.5", by="ann")
    assert pq.read_table(run.publish().clean).column("label").to_pylist() == [1.0, 2.5]


def test_unlabelled_rows_pass_through_untouched(folder: Path) -> None:
    clean = pq.read_table(pets(folder).publish().clean)
    assert clean.filter(pa.compute.is_null(clean["label"])).column("id").to_pylist() == ["r8"]


def test_rows_come_out_in_the_inputs_order_chunk_by_chunk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 1_003
    names = [f"r{(place * 7919) % count}" for place in range(count)]
    table = pa.table({"id": names, "x": list(range(count)), "label": ["a", "b", "c"] * (count // 3) + ["a"]})
    run = small_run(folder, table, dict.fromkeys(names[::10], HARMFUL))
    run.tag()
    monkeypatch.setattr(sides, "CHUNK_ROWS", 100)
    seen: list[float] = []
    published = run.publish(max_drop=0.2, progress=lambda _, share: seen.append(share))
    assert pq.read_table(published.clean).equals(table.take([i for i in range(count) if i % 10]))
    assert pq.read_table(published.quarantine).column("x").to_pylist() == list(range(0, count, 10))
    assert seen[-1] == 1.0
    assert len(seen) == 11


FULL = OSError(errno.ENOSPC, "No space left on device")


def fail_at(call: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """`real`, but its call number `call` finds the disk full."""
    calls = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise FULL
        return real(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (formats.pq.ParquetWriter, "write_table", 1),
        (formats.pq.ParquetWriter, "write_table", 2),
        (formats.pq.ParquetWriter, "close", 1),
        (Path, "write_text", 1),
        (outputs, "flush", 1),
        (outputs, "flush", 3),
        (outputs, "flush", 4),
        (outputs.os, "replace", 1),
        (outputs.os, "replace", 2),
        (outputs.os, "replace", 3),
        (manifest, "checksum", 2),
    ],
)
def test_a_full_disk_leaves_no_file_and_the_run_unpublished(
    folder: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int
) -> None:
    run = pets(folder)
    with monkeypatch.context() as broken:
        broken.setattr(owner, name, fail_at(call, getattr(owner, name)))
        with pytest.raises(CulpaError, match="No space left on device; nothing was published"):
            run.publish()
    assert files(folder) == {}
    assert ask(run.store, "SELECT state, out FROM runs") == [("flagged", None)]
    assert run.publish().counts["dropped"] == 2


def test_a_full_disk_under_the_store_leaves_a_run_that_publishes_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pets(folder)

    def full(*_: Any) -> None:
        raise store.duckdb.IOException("No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(publishing, "_write_outcomes", full)
        with pytest.raises(CulpaError, match="cannot remember it: No space left on device; publish the run again"):
            run.publish()
    assert ask(run.store, "SELECT state FROM runs") == [("flagged",)]
    assert run.publish().unchanged  # the files are there and right
    assert ask(run.store, "SELECT state FROM runs") == [("published",)]


def test_books_that_do_not_add_up_are_not_published(folder: Path) -> None:
    run = pets(folder)
    with store.transaction(run.store) as connection:
        connection.execute(f"DELETE FROM {ask_table(connection)} WHERE __row_id = 'r2'")
    with pytest.raises(CulpaError, match=r"does not add up: 10 rows came in.*clean 7 \+ quarantine 2 = 9"):
        run.publish()
    assert files(folder) == {}


def ask_table(connection: Any) -> str:
    return str(connection.execute("SELECT data_table FROM runs").fetchall()[0][0])


def test_drafts_of_a_dead_publish_are_swept_and_those_of_a_living_one_stay(folder: Path) -> None:
    run = pets(folder)
    mine = outputs.Drafts().draft(folder / "other.parquet")
    mine.write_text("being written")
    gone = subprocess.Popen(["true"])
    gone.wait()
    dead = folder / mine.name.replace(f"-{os.getpid()}.", f"-{gone.pid}.")
    elsewhere = folder / ".x.parquet.another_machine-1.culpa-draft"
    for path in (dead, elsewhere):
        path.write_text("half")
    run.publish()
    assert (mine.exists(), dead.exists(), elsewhere.exists()) == (True, False, True)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("nowhere/out.parquet", "the folder .*nowhere does not exist"),
        ("out.xlsx", r"cannot tell the format of 'out.xlsx': let --out end in one of \.parquet"),
        ("pets.parquet", "it is the input itself"),
        ("folder.parquet", "it is a folder"),
    ],
)
def test_an_output_that_cannot_be_written_says_why(folder: Path, out: str, message: str) -> None:
    run = pets(folder)
    (folder / "folder.parquet").mkdir()
    with pytest.raises(BadInput, match=message):
        run.publish(folder / out)


def test_nested_columns_cannot_go_into_csv(folder: Path) -> None:
    table = pa.table({"id": ["a", "b"], "label": ["x", "y"], "vector": [[1], [2]]})
    run = small_run(folder, table, {})
    run.tag()
    with pytest.raises(BadInput, match=r"\.csv cannot hold the nested columns vector"):
        run.publish(folder / "out.csv")
    assert len((run.publish(folder / "out.jsonl").clean).read_text().splitlines()) == 2


def test_a_run_that_is_not_there_or_not_flagged_cannot_be_published(folder: Path) -> None:
    run = small_run(folder, PETS, {})
    with pytest.raises(BadInput, match="has not been flagged yet"):
        run.publish()
    with pytest.raises(BadInput, match="there is no run 'bbb' in this store; the latest are: aaaaaaaaaaaa"):
        publish(run.store, "bbb")


def test_a_run_is_found_by_the_beginning_of_its_id_and_goes_where_it_went_before(folder: Path) -> None:
    run = pets(folder)
    run.publish(folder / "first.parquet")
    assert publish(run.store, "aaaa", max_drop=0.3).clean == folder / "first.parquet"


def test_without_a_place_the_clean_file_lies_beside_the_source(folder: Path) -> None:
    run = pets(folder)
    pq.write_table(PETS, folder / "pets.parquet")
    assert publish(run.store, run.run_id, max_drop=0.3).clean == folder / "pets.cleaned.parquet"
