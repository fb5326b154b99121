"""A PostgreSQL server of the tests' own: made in a folder, gone with it. No server is installed: the tests are skipped.

PostgreSQL does not run as root, so it is started as the user `postgres` where the tests run as root.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

PASSWORD = "never-shown"


def programs() -> Path:
    """Where the newest server's programs lie."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "/none")]
    if not found[-1].is_file():
        pytest.skip("no PostgreSQL server is installed: `make postgres` installs one")
    return found[-1].parent


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a new server's database; its user is zoo, its password PASSWORD."""
    here, folder = programs(), Path(mkdtemp(prefix="culpa-postgres-"))
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres")
    port = _free_port()
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        login = ["-U", "zoo", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}"]
        _run([here / "initdb", "-D", folder / "data", *login, "--no-sync", "-E", "UTF8", "--locale=C"])
        _run([here / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", options, "start"])
        try:
            yield f"postgresql://127.0.0.1:{port}/postgres"
        finally:
            _run([here / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(words: list[object]) -> None:
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*as_postgres, *map(str, words)], check=True, stdout=subprocess.DEVNULL, cwd="/")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
