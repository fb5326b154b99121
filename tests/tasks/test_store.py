"""The store: it appears whole, is never held, knows what is not its own, and survives whatever happens to a writer."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import duckdb
import pytest

from culpa.tasks import store
from culpa.tasks.errors import BadInput, CulpaError

ROUND = "INSERT INTO rounds VALUES ('run', 1, 2, 0.5, true, '{}')"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "culpa.duckdb"
    store.create(place)
    return place


def rounds(path: Path) -> int:
    with store.connect(path, read_only=True) as connection:
        return int(connection.execute("SELECT count(*) FROM rounds").fetchall()[0][0])


def insert_and_fail(path: Path) -> None:
    with store.transaction(path) as connection:
        connection.execute(ROUND)
        raise ZeroDivisionError


def another_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    script = "import os, sys, time\nfrom pathlib import Path\nfrom culpa.tasks import store\n" + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_store_is_written_so_that_duckdb_of_version_1_5_opens_it(path: Path) -> None:
    with store.connect(path) as connection:
        tags = connection.execute("SELECT tags FROM duckdb_databases() WHERE NOT internal").fetchall()[0][0]
    assert tags["storage_version"].startswith("v1.5.0")


def test_making_a_store_twice_keeps_what_is_in_it(path: Path) -> None:
    with store.transaction(path) as connection:
        connection.execute(ROUND)
    store.create(path)
    assert rounds(path) == 1


def test_making_a_store_leaves_nothing_beside_it(path: Path) -> None:
    assert [one.name for one in path.parent.iterdir()] == ["culpa.duckdb"]


def test_everything_in_a_transaction_is_written(path: Path) -> None:
    with store.transaction(path) as connection:
        connection.execute(ROUND)
        connection.execute(ROUND)
    assert rounds(path) == 2


def test_after_an_error_in_a_transaction_nothing_is_written(path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        insert_and_fail(path)
    assert rounds(path) == 0


def test_opening_a_store_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    message = "no store at .*culpa.duckdb: `culpa flag` or `culpa clean` makes one"
    with pytest.raises(BadInput, match=message), store.connect(tmp_path / "culpa.duckdb"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_text_file_is_not_a_store(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("remember the milk")
    with pytest.raises(BadInput, match=r"notes.txt is not a culpa store .and no DuckDB file either."):
        store.check(file)
    assert file.read_text() == "remember the milk"


def test_an_empty_file_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "empty.duckdb").touch()
    with pytest.raises(BadInput, match=r"empty.duckdb is not a culpa store"):
        store.check(tmp_path / "empty.duckdb")


def test_a_folder_is_not_a_store(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is not a culpa store"):
        store.check(tmp_path)


@pytest.mark.parametrize("table", ["customers", "meta"])
def test_somebody_elses_duckdb_file_is_not_a_store(tmp_path: Path, table: str) -> None:
    with duckdb.connect(tmp_path / "theirs.duckdb") as connection:
        connection.execute(f"CREATE TABLE {table} AS SELECT 'not culpa' AS magic, 1 AS schema_version")
    with pytest.raises(BadInput, match=r"theirs.duckdb is a DuckDB file but not a culpa store; name another file"):
        store.check(tmp_path / "theirs.duckdb")


def test_a_store_of_a_newer_version_is_refused(path: Path) -> None:
    with store.transaction(path) as connection:
        connection.execute("UPDATE meta SET schema_version = 99")
    with pytest.raises(BadInput, match=r"of the newer version 99; this culpa knows up to \d+: update culpa"):
        store.check(path)


def test_a_store_in_a_missing_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    for refuse in (store.check, store.create):
        with pytest.raises(BadInput, match=r"the folder .*nowhere does not exist; create it or name another"):
            refuse(tmp_path / "nowhere" / "culpa.duckdb")


def another_process_holding(path: Path, seconds: float) -> subprocess.Popen[str]:
    holder = another_process(
        """
        with store.connect(Path(sys.argv[1])):
            print("holding", flush=True)
            time.sleep(float(sys.argv[2]))
        """,
        str(path),
        str(seconds),
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    return holder


def test_a_busy_store_is_waited_for(path: Path) -> None:
    holder = another_process_holding(path, 0.7)
    start = time.monotonic()
    with store.transaction(path) as connection:
        connection.execute(ROUND)
    assert time.monotonic() - start > 0.2
    assert holder.wait() == 0
    assert rounds(path) == 1


def test_who_waits_too_long_is_told_which_process_holds_the_store(path: Path) -> None:
    holder = another_process_holding(path, 60)
    message = rf"was busy for 0.2 s: it is held by .*PID {holder.pid}"
    try:
        with pytest.raises(CulpaError, match=message) as refused, store.connect(path, wait_seconds=0.2):
            pass
        assert not isinstance(refused.value, BadInput)
    finally:
        holder.kill()
        holder.wait()


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    writer = """
        for _ in range(10):
            with store.transaction(Path(sys.argv[1])) as connection:
                connection.execute("INSERT INTO rounds VALUES ('run', 1, 2, 0.5, true, '{}')")
        """
    writers = [another_process(writer, str(path)) for _ in range(3)]
    assert [one.wait() for one in writers] == [0, 0, 0]
    assert rounds(path) == 30


def test_processes_that_make_the_same_store_at_once_get_one(tmp_path: Path) -> None:
    path = tmp_path / "culpa.duckdb"
    makers = [another_process("store.create(Path(sys.argv[1]))", str(path)) for _ in range(3)]
    assert [one.wait() for one in makers] == [0, 0, 0]
    store.check(path)
    assert [one.name for one in tmp_path.iterdir()] == ["culpa.duckdb"]


@pytest.mark.parametrize("step", ["store._appear", "Path.unlink"])
def test_what_a_maker_killed_on_the_way_left_is_swept_by_the_next(tmp_path: Path, step: str) -> None:
    path = tmp_path / "culpa.duckdb"
    killed = another_process(
        f"""
        {step} = lambda *_, **__: os.kill(os.getpid(), 9)
        store.create(Path(sys.argv[1]))
        """,
        str(path),
    )
    assert killed.wait() == -signal.SIGKILL
    assert any(one.name.endswith(".culpa-draft") for one in tmp_path.iterdir())
    store.create(path)
    assert [one.name for one in tmp_path.iterdir()] == ["culpa.duckdb"]


@pytest.mark.parametrize("after", [0.0, 0.05, 0.3])
def test_a_writer_killed_in_a_transaction_leaves_the_store_as_it_was(path: Path, after: float) -> None:
    writer = another_process(
        """
        with store.transaction(Path(sys.argv[1])) as connection:
            print("writing", flush=True)
            for _ in range(1000):
                connection.execute("INSERT INTO rounds SELECT 'run', i, 2, 0.5, true, '{}' FROM range(20000) t(i)")
        """,
        str(path),
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(after)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert rounds(path) == 0


def test_a_disk_that_is_full_leaves_the_store_as_it_was(path: Path) -> None:
    """The size of files is limited, as a full disk limits it: the write fails half-way."""
    writer = another_process(
        """
        import os, resource
        path = Path(sys.argv[1])
        limit = os.path.getsize(path) + 500_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with store.transaction(path) as connection:
            rows = "SELECT md5(i::VARCHAR), i, 2, 0.5, true, '{}' FROM range(1000000) t(i)"
            connection.execute("INSERT INTO rounds " + rows)
        """,
        str(path),
    )
    _, error = writer.communicate()
    assert writer.returncode != 0
    assert "File too large" in error
    assert rounds(path) == 0


def test_a_decision_needs_a_new_label_exactly_when_it_relabels(path: Path) -> None:
    insert = "INSERT INTO decisions (row_id, decision, new_label, reviewed_by) VALUES ('1', ?, ?, 'ann')"
    with store.connect(path) as connection:
        connection.execute(insert, ["relabel", "cat"])
        connection.execute(insert, ["drop", None])
        for wrong in (["relabel", None], ["drop", "cat"], ["burn", None]):
            with pytest.raises(duckdb.ConstraintException):
                connection.execute(insert, wrong)
        assert connection.execute("SELECT decision_id FROM decisions ORDER BY 1").fetchall()[0][0] == 1
