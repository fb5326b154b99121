"""A store of every released version is copied aside, brought to this one, and answers as it did."""

import gzip
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from hashlib import sha256
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from culpa.tasks import migrate, store
from culpa.tasks.errors import CulpaError
from culpa.tasks.publishing.publish import publish
from culpa.tasks.reviews.decide import decide
from culpa.tasks.runs import list_runs
from tests.tasks.small_store import ask

STORES = Path(__file__).with_name("stores")
VERSIONS = range(1, store.SCHEMA_VERSION)
GUARDS = {"max_drop": 0.5, "max_drop_per_class": 0.9}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def old(tmp_path: Path, version: int) -> Path:
    """A store as the culpa of that version left it."""
    place = tmp_path / "culpa.duckdb"
    with gzip.open(STORES / f"version_{version}.duckdb.gz") as packed, place.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return place


def content(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_there_is_a_stored_file_of_every_version_before_this_one() -> None:
    assert [one.name for one in sorted(STORES.glob("*.gz"))] == [f"version_{one}.duckdb.gz" for one in VERSIONS]


def test_an_old_store_is_copied_aside_and_brought_to_this_version(old: Path, version: int) -> None:
    before = content(old)
    with store.connect(old, read_only=True) as connection:
        assert connection.execute("SELECT schema_version FROM meta").fetchall() == [(store.SCHEMA_VERSION,)]
    backup = old.with_name(f"culpa.duckdb.v{version}.backup")
    assert content(backup) == before
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert names(old.parent) == ["culpa.duckdb", backup.name]


def test_an_old_store_has_the_tables_and_columns_of_a_new_one(old: Path, tmp_path: Path) -> None:
    def columns(path: Path) -> list[tuple[str, ...]]:
        sql = """SELECT table_name, column_name, data_type, is_nullable, column_default FROM duckdb_columns()
                 WHERE NOT internal AND table_name IN (SELECT table_name FROM duckdb_tables())
                   AND NOT starts_with(table_name, 'data_') ORDER BY ALL"""
        return ask(path, sql)

    store.create(tmp_path / "new.duckdb")
    assert columns(old) == columns(tmp_path / "new.duckdb")


def test_runs_scores_decisions_and_outcomes_of_an_old_store_are_there(old: Path) -> None:
    (run,) = list_runs(old)
    assert (run["dataset"], run["state"], run["rows"]) == ("pets", "published", 120)
    assert ask(old, "SELECT count(*), count(influence), count(suspicion) FROM scores") == [(120, 120, 120)]
    said = ask(old, "SELECT row_id, decision, new_label, reviewed_by, note FROM decisions ORDER BY decision_id")
    assert said == [
        ("p3", "keep", None, "ann", "asked the owner"),
        ("p13", "relabel", "cat", "ann", None),
        ("p5", "drop", None, "bob", None),
    ]
    fates = ask(old, "SELECT outcome, count(*) FROM outcomes GROUP BY 1 ORDER BY 1")
    assert fates == [("dropped", 10), ("kept", 1), ("relabelled", 1)]


def test_the_views_of_an_old_store_answer(old: Path) -> None:
    assert ask(old, "SELECT count(*), count(weight), count(home) FROM flagged") == [(11, 11, 11)]
    assert ask(old, "SELECT count(*) FROM review_queue WHERE row_id IN ('p3', 'p13')") == [(0,)]
    assert ask(old, "SELECT count(*) FROM clean_rows") == [(110,)]
    assert ask(old, "SELECT row_id FROM quarantine WHERE row_id = 'p5'") == [("p5",)]
    assert ask(old, "SELECT label FROM clean_rows WHERE row_id = 'p13'") == [("cat",)]
    ((why,),) = ask(old, "SELECT why FROM row_history WHERE row_id = 'p5'")
    assert why.startswith("gone: drop by bob")


def test_a_run_of_an_old_store_can_be_decided_on_and_published(old: Path, tmp_path: Path) -> None:
    decide(old, ["p7"], "drop", by="eva")
    run_id = list_runs(old)[0]["run_id"]
    published = publish(old, run_id, tmp_path / "cleaned.csv", **GUARDS)
    assert (published.counts["clean"], published.counts["dropped"], published.counts["relabelled"]) == (109, 11, 1)
    kept = pyarrow.csv.read_csv(published.clean)["id"].to_pylist()
    gone = pq.read_table(published.quarantine)["id"].to_pylist()
    assert sorted(kept + gone) == sorted(f"p{row}" for row in range(120))
    assert {"p5", "p7"} <= set(gone)


def test_opening_an_old_store_again_changes_nothing(old: Path) -> None:
    store.check(old)
    before, there = content(old), names(old.parent)
    with store.connect(old):
        pass
    assert (content(old), names(old.parent)) == (before, there)


def unpacked(folder: Path, version: int = 3) -> Path:
    place = folder / "culpa.duckdb"
    place.write_bytes(gzip.decompress((STORES / f"version_{version}.duckdb.gz").read_bytes()))
    return place


def test_a_copy_that_lies_there_is_never_overwritten(tmp_path: Path) -> None:
    old = unpacked(tmp_path)
    before = content(old)
    (tmp_path / "culpa.duckdb.v3.backup").write_text("of last year")
    store.check(old)
    assert (tmp_path / "culpa.duckdb.v3.backup").read_text() == "of last year"
    assert content(tmp_path / "culpa.duckdb.v3.backup.2") == before


def test_the_copy_of_an_earlier_try_serves_again(tmp_path: Path) -> None:
    old = unpacked(tmp_path)
    shutil.copy(old, tmp_path / "culpa.duckdb.v3.backup")
    store.check(old)
    assert names(tmp_path) == ["culpa.duckdb", "culpa.duckdb.v3.backup"]


def another_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    script = "import os, resource, sys\nfrom pathlib import Path\nfrom culpa.tasks import migrate, store\n"
    return subprocess.Popen(
        [sys.executable, "-c", script + textwrap.dedent(code), *arguments], stderr=subprocess.PIPE, text=True
    )


def test_a_disk_too_full_for_the_copy_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    """The size of files is limited, as a full disk limits it."""
    old = unpacked(tmp_path)
    before = content(old)
    limited = another_process(
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        store.check(Path(sys.argv[1]))
        """,
        str(old),
    )
    _, error = limited.communicate()
    assert limited.returncode == 1
    assert "is of version 3 and has to be brought to version" in error
    assert "no copy of it (6,828,032 bytes) can be laid beside it first" in error
    assert "nothing was changed" in error
    assert (content(old), names(tmp_path)) == (before, ["culpa.duckdb"])


def test_a_change_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = unpacked(tmp_path)
    monkeypatch.setattr(migrate, "statement", lambda name: store.statement(name) + "; SELECT error('the sky fell');")
    with pytest.raises(CulpaError, match=r"cannot be brought to version \d+: .*the sky fell.*; it stays as it was"):
        store.check(old)
    monkeypatch.undo()
    store.check(old)
    assert ask(old, "SELECT schema_version FROM meta") == [(store.SCHEMA_VERSION,)]
    assert names(tmp_path) == ["culpa.duckdb", "culpa.duckdb.v3.backup"]


@pytest.mark.parametrize("step", ["_copy", "_appear", "_change"])
def test_a_process_killed_on_the_way_leaves_the_store_as_it_was(tmp_path: Path, step: str) -> None:
    old = unpacked(tmp_path)
    before = content(old)
    killed = another_process(
        f"""
        migrate.{step} = lambda *_: os.kill(os.getpid(), 9)
        store.check(Path(sys.argv[1]))
        """,
        str(old),
    )
    killed.communicate()
    assert killed.returncode == -9
    assert content(old) == before
    store.check(old)
    assert content(tmp_path / "culpa.duckdb.v3.backup") == before


def test_nobody_writes_while_the_copy_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = unpacked(tmp_path)
    locked = []

    def copy(handle: int, draft: Path) -> None:
        os.write(os.open(draft, os.O_CREAT | os.O_WRONLY, 0o600), b"copied")
        other = another_process("store.open_store(Path(sys.argv[1]), True, 0.0)", str(old))
        locked.append("it is held by" in other.communicate()[1])

    monkeypatch.setattr(migrate, "_copy", copy)
    store.check(old)
    with store.connect(old):  # the handle that the copy was read through has not given the lock up
        other = another_process("store.open_store(Path(sys.argv[1]), True, 0.0)", str(old))
        locked.append("it is held by" in other.communicate()[1])
    assert locked == [True, True]


def test_processes_that_open_an_old_store_at_once_make_one_copy(tmp_path: Path) -> None:
    old = unpacked(tmp_path)
    before = content(old)
    openers = [another_process("store.check(Path(sys.argv[1]))", str(old)) for _ in range(3)]
    for opener in openers:
        opener.communicate()
    assert [opener.returncode for opener in openers] == [0, 0, 0]
    assert names(tmp_path) == ["culpa.duckdb", "culpa.duckdb.v3.backup"]
    assert content(tmp_path / "culpa.duckdb.v3.backup") == before
