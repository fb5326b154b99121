"""Whatever the umask says, what culpa makes is for its owner alone; nothing is sent, nothing unasked for is run."""

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from culpa.flows.plain import clean
from culpa.tasks import store as stores
from culpa.tasks import work
from culpa.tasks.errors import CulpaError
from culpa.tasks.private import new_file, new_folder, owner_only
from tests.tasks.real_store import CHEAPEST, GUARDS, pets_table

SHELL = [sys.executable, "-m", "culpa.flows.command"]


@pytest.fixture
def open_to_all() -> Iterator[None]:
    """The loosest umask there is."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """Every file and folder below `folder` that somebody else may do anything with."""
    found = {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    return {name: oct(mode) for name, mode in found.items() if mode & 0o077}


def clean_pets(folder: Path, **options: object) -> None:
    given = {"label": "label", "key": "id", **CHEAPEST, **GUARDS, "report": True, **options}
    places = {"store": folder / "culpa.duckdb", "out": folder / "out" / "cleaned.csv"}
    clean(pets_table(), dataset="pets", **given, **places)


@pytest.mark.usefixtures("open_to_all")
def test_nobody_else_can_read_what_a_run_leaves(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o700)
    clean_pets(tmp_path, weights=True)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"culpa.duckdb", "cleaned.csv", "cleaned.quarantine.parquet", "cleaned.weights.parquet"} <= left
    assert any(name.endswith(".html") for name in left)
    assert modes(tmp_path) == {}


@pytest.mark.usefixtures("open_to_all")
def test_nobody_else_can_read_the_work_folder_and_the_log_while_a_run_is_at_it(tmp_path: Path) -> None:
    path = tmp_path / "culpa.duckdb"
    stores.create(path)
    with work.borrowed(path, "publish") as folder, stores.connect(path) as connection:
        (folder / "features.npy").write_text("data")
        connection.execute("INSERT INTO rounds VALUES ('run', 1, 2, 0.5, true, '{}')")
        assert path.with_name("culpa.duckdb.wal").exists()
        seen = modes(tmp_path)
        assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    inside = str(folder.relative_to(tmp_path))  # nobody else can enter it
    assert [name for name in seen if not name.startswith(inside)] == []


def test_a_work_folder_of_somebody_else_is_not_worked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could hold a planted model, and reading that one would run whatever it says."""
    work.claim(tmp_path / "culpa.duckdb", "run")
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    with pytest.raises(CulpaError, match=r"culpa.duckdb.work belongs to another user: name another --store"):
        work.claim(tmp_path / "culpa.duckdb", "run")


@pytest.mark.usefixtures("open_to_all")
def test_a_work_folder_that_others_could_enter_is_closed_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "culpa.duckdb.work" / "run"
    folder.mkdir(parents=True)
    work.claim(tmp_path / "culpa.duckdb", "run")
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


@pytest.mark.usefixtures("open_to_all")
def test_a_file_that_is_replaced_hands_its_mode_on(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    clean_pets(tmp_path)
    (tmp_path / "out" / "cleaned.csv").chmod(0o640)
    clean_pets(tmp_path, seed=1)
    assert modes(tmp_path / "out") == {"cleaned.csv": "0o640"}


@pytest.mark.usefixtures("open_to_all")
def test_the_umask_is_given_back_by_the_last_one_however_many_overlap(tmp_path: Path) -> None:
    def hold(seconds: float) -> None:
        with owner_only():
            time.sleep(seconds)

    holders = [threading.Thread(target=hold, args=(seconds,)) for seconds in (0.05, 0.1, 0.02)]
    for one in holders:
        one.start()
    with owner_only():
        (tmp_path / "within").touch()
    for one in holders:
        one.join()
    (tmp_path / "after").touch()
    assert modes(tmp_path) == {"after": "0o666"}


@pytest.mark.usefixtures("open_to_all")
def test_new_files_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "old").touch(0o666)
    for name in ("old", "new"):
        new_file(tmp_path / name)
    new_folder(tmp_path / "a" / "b")
    assert modes(tmp_path) == {}


def run_command(folder: Path, words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SHELL, *words], cwd=folder, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


CLEAN = [
    "clean", "pets.parquet", "--label", "label", "--key", "id", "--proxy", "linear", "--gate", "off", "--no-calibrate",
    "--no-faithfulness", "--rounds", "0", "--plain", "--max-drop", "1", "--max-drop-per-class", "1",
]  # fmt: skip


@pytest.mark.slow
def test_nothing_is_sent_and_nothing_in_the_working_folder_is_imported(tmp_path: Path) -> None:
    """Any connection but to a socket of this machine's files ends the process; so does any file named like a module."""
    pets_table().to_parquet(tmp_path / "pets.parquet")
    (tmp_path / "guards").mkdir()
    (tmp_path / "guards" / "sitecustomize.py").write_text(
        "import os, socket\n"
        "def refuse(self, address, *rest):\n"
        "    if self.family != socket.AF_UNIX:\n"
        "        os.write(2, f'CONNECTED {address}'.encode()); os._exit(77)\n"
        "socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse\n"
        "def look_up(*address, **rest):\n"
        "    os.write(2, f'LOOKED UP {address}'.encode()); os._exit(78)\n"
        "socket.getaddrinfo = socket.gethostbyname = look_up\n"
    )
    for name in ("linear", "forest", "neighbors", "text", "auto", "tasks", "flows", "influence", "pets"):
        (tmp_path / f"{name}.py").write_text(f"import os; os.write(2, b'IMPORTED {name}'); os._exit(79)\n")
    done = run_command(tmp_path, CLEAN, PYTHONPATH=str(tmp_path / "guards"))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert (tmp_path / "pets.cleaned.parquet").is_file()
    brought = ["text:make" if word == "linear" else word for word in CLEAN]
    assert "IMPORTED text" in run_command(tmp_path, brought).stderr  # asked for by name, it is
    call = "import socket; socket.create_connection(('127.0.0.1', 9))"
    guarded = {**os.environ, "PYTHONPATH": str(tmp_path / "guards")}
    assert subprocess.run([sys.executable, "-c", call], env=guarded, capture_output=True, check=False).returncode == 78
