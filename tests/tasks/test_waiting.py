"""Who waits for the store waits in turn: nobody starves, and nobody waits for the dead."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from culpa.tasks import owners, store
from culpa.tasks.errors import Busy
from culpa.tasks.waiting import SILENT_SECONDS, Turn


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "culpa.duckdb"
    store.create(place)
    return place


def another_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    script = "import sys, time\nfrom pathlib import Path\nfrom culpa.tasks import store\npath = Path(sys.argv[1])\n"
    return subprocess.Popen(
        [sys.executable, "-c", script + textwrap.dedent(code), *arguments], stdout=subprocess.PIPE, text=True
    )


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def ticket(turn: Turn) -> Path:
    assert turn._ticket is not None
    return turn._ticket


def test_a_writer_gets_its_turn_though_readers_never_leave_the_store_alone(path: Path) -> None:
    reader = """
        print("reading", flush=True)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with store.connect(path, read_only=True):
                time.sleep(0.2)
    """
    readers = [another_process(reader, str(path)) for _ in range(4)]
    try:
        for one in readers:
            assert one.stdout is not None
            one.stdout.readline()
        time.sleep(0.5)
        start = time.monotonic()
        for _ in range(3):
            with store.transaction(path) as connection:
                connection.execute("INSERT INTO rounds VALUES ('run', 1, 2, 0.5, true, '{}')")
        assert time.monotonic() - start < 10
    finally:
        for one in readers:
            one.kill()
            one.wait()


def test_writers_come_in_the_order_in_which_they_asked(path: Path, tmp_path: Path) -> None:
    writer = """
        print("asking", flush=True)
        with store.transaction(path) as connection:
            connection.execute("INSERT INTO rounds VALUES (?, 1, 2, 0.5, true, '{}')", [sys.argv[2]])
    """
    with store.connect(path):
        queue, writers = tmp_path / ".culpa.duckdb.queue", []
        for number in range(4):
            writers.append(another_process(writer, str(path), str(number)))
            until = time.monotonic() + 20
            while not queue.is_dir() or len(list(queue.iterdir())) <= number:
                assert time.monotonic() < until
                time.sleep(0.01)
    assert [one.wait() for one in writers] == [0, 0, 0, 0]
    with store.connect(path, read_only=True) as connection:
        found = connection.execute("SELECT run_id FROM rounds ORDER BY rowid").fetchall()
    assert found == [("0",), ("1",), ("2",), ("3",)]
    assert names(tmp_path) == ["culpa.duckdb"]


def test_a_reader_waits_behind_writers_and_never_behind_readers(path: Path) -> None:
    reader, writer, late = Turn(path, writes=False), Turn(path, writes=True), Turn(path, writes=False)
    reader.wait()
    assert late.has_come
    assert not writer.has_come
    writer.wait()
    assert not late.has_come
    late.wait()
    assert reader.has_come
    reader.leave()
    assert writer.has_come
    writer.leave()
    assert late.has_come
    late.leave()
    assert names(path.parent) == ["culpa.duckdb"]


def test_nobody_waits_for_the_dead(path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    killed, waiting = Turn(path, writes=True), Turn(path, writes=True)
    killed.wait()
    alive = ticket(killed)
    alive.rename(alive.with_name(alive.name.replace(owners.signature(), f"{owners._host()}-{dead.pid}")))
    assert waiting.has_come
    waiting.leave()
    assert names(path.parent) == ["culpa.duckdb"]


def test_nobody_waits_for_who_has_not_been_heard_of_for_a_while(path: Path) -> None:
    silent, waiting = Turn(path, writes=True), Turn(path, writes=True)
    silent.wait()
    then = time.time() - 2 * SILENT_SECONDS
    os.utime(ticket(silent), (then, then))
    assert waiting.has_come
    assert silent.has_come  # it looks again, and has its place again
    assert not waiting.has_come


def test_who_waits_behind_somebody_that_never_gets_on_is_told(path: Path) -> None:
    first = Turn(path, writes=True)
    first.wait()
    with pytest.raises(Busy, match=r"was busy for 0.2 s: others wait for it, and none gets on"):
        store.open_store(path, False, 0.2)
    first.leave()


def test_the_clock_starts_anew_with_every_step_forward(path: Path) -> None:
    """Each holder stays for less than the wait, all together for longer."""
    holder = """
        with store.connect(path):
            print("holding", flush=True)
            time.sleep(0.7)
    """
    holders = [another_process(holder, str(path)) for _ in range(3)]
    assert holders[0].stdout is not None
    holders[0].stdout.readline()
    queue = path.with_name(".culpa.duckdb.queue")
    until = time.monotonic() + 20
    while time.monotonic() < until and not (queue.is_dir() and len(list(queue.iterdir())) == 2):
        time.sleep(0.01)
    with store.connect(path, wait_seconds=1.5):
        pass
    assert [one.wait() for one in holders] == [0, 0, 0]


def test_where_no_ticket_can_be_left_everybody_just_tries(path: Path) -> None:
    path.with_name(".culpa.duckdb.queue").write_text("in the way")
    holder = another_process("with store.connect(path): print('holding', flush=True); time.sleep(0.5)", str(path))
    assert holder.stdout is not None
    holder.stdout.readline()
    with store.connect(path):
        pass
    assert holder.wait() == 0
