"""Starts the page and ends it: one process, on this machine's own address, until Ctrl-C."""

import socket
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from culpa.tasks.errors import BadInput

if TYPE_CHECKING:
    import uvicorn

__all__ = ["serve"]


def serve(
    store: Path, *, dataset: str | None, source: str | None, by: str | None, port: int, open_browser: bool
) -> None:
    """Show the page, print its address on one line, and stay until the user ends it.

    Errors: BadInput where the packages of culpa[review] are missing, the port is taken, or nothing is flagged.
    """
    try:
        import uvicorn

        from culpa.flows.page.app import make_app
    except ImportError as error:
        raise BadInput(f"the page needs {error.name}: install culpa with its extra [review]") from error
    from culpa.flows.page.security import Door
    from culpa.tasks.queue import Desk

    with _listening(port) as listening, TemporaryDirectory(prefix="culpa-review-") as way:
        desk = Desk(store, dataset, source)
        try:
            door = Door(listening.getsockname()[1])
            settings = uvicorn.Config(
                make_app(desk, door, by), log_level="warning", access_log=False, server_header=False, lifespan="off",
                timeout_graceful_shutdown=3,
            )  # fmt: skip
            print(f"{desk.dataset}: {len(desk.queue):,} flagged rows at {door.url} (Ctrl-C ends it)", flush=True)
            if open_browser:
                threading.Timer(0.5, webbrowser.open, [_way_to(door.url, way).as_uri()]).start()
            _run(uvicorn.Server(settings), listening)
        finally:
            desk.close()


def _way_to(url: str, folder: str) -> Path:
    """A file that leads to the address: what a browser is called with, any user of the machine can read."""
    file = Path(folder) / "review.html"  # the folder is its owner's alone
    file.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={url}">', encoding="utf-8")
    return file


def _run(server: "uvicorn.Server", listening: socket.socket) -> None:
    with suppress(KeyboardInterrupt):  # the server raises it again when it has ended everything
        server.run(sockets=[listening])
    print("the page is closed; every decision is in the store", flush=True)


def _listening(port: int) -> socket.socket:
    """A socket of this machine's own address; port 0 takes a free one."""
    from culpa.flows.page.security import HOST

    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen()  # from now on the port is ours, and who comes early waits
    except OSError as error:
        listening.close()
        raise BadInput(
            f"port {port} cannot be used ({error.strerror}): name another with --port, or 0 for any"
        ) from error
    return listening
