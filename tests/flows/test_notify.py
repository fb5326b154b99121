"""Rows wait for review: who is told, what, and what happens when nobody listens."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import culpa.flows.flag  # noqa: F401  (the module, which the flow of its name hides)
from culpa.flows import events
from culpa.flows.notify import rows_waiting, told
from culpa.flows.story import earlier_run
from culpa.tasks.errors import BadInput
from culpa.tasks.reviews.decide import decide
from culpa.tasks.settings import read_settings
from tests.tasks.small_store import SmallRun, pets


class Hook(HTTPServer):
    """An address that notes what it is told."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[Any] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/secret"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(tmp_path: Path) -> SmallRun:
    return pets(tmp_path)


def test_the_address_hears_how_many_rows_wait_and_how_to_open_them(run: SmallRun, hook: Hook) -> None:
    result = earlier_run(run.store, run.run_id)
    assert told(result, hook.url) == result
    (message,) = hook.heard
    assert message["event"] == "culpa.review.waiting"
    assert (message["dataset"], message["run"], message["waiting"]) == ("pets", run.run_id, 3)
    assert message["must_see"] == 2  # r4 and r7 would be dropped; r5 is only worth a look
    assert message["open"] == f"culpa review --store {run.store}"
    assert "3 rows of pets wait for review, 2 must be seen" in message["text"]


def test_nothing_is_sent_where_nobody_asked_or_nothing_waits(run: SmallRun, hook: Hook) -> None:
    result = earlier_run(run.store, run.run_id)
    told(result, None)
    decide(run.store, ["r4", "r5", "r7"], "keep", None, by="ann", note=None, dataset="pets")
    told(result, hook.url)
    assert hook.heard == []


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_address_that_refuses_is_a_warning_that_does_not_show_the_secret(
    run: SmallRun, hook: Hook, status: int
) -> None:
    hook.status = status
    (warning,) = told(earlier_run(run.store, run.run_id), hook.url).warnings
    assert warning == f"nobody was told that rows wait: 127.0.0.1 answered {status}"
    assert len(hook.heard) == 1  # it is not followed elsewhere


def test_an_address_where_nobody_listens_is_a_warning(run: SmallRun, hook: Hook) -> None:
    hook.shutdown()
    hook.server_close()
    (warning,) = told(earlier_run(run.store, run.run_id), hook.url).warnings
    assert "127.0.0.1 did not answer (ConnectError)" in warning
    assert "secret" not in warning


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://zoo.org", "zoo.org", "http://", "https:// zoo.org"])
def test_only_web_addresses_are_taken(address: str) -> None:
    with pytest.raises(BadInput, match="notify"):
        read_settings("train.csv", label="y", notify=address)


def test_the_address_does_not_change_the_answer_and_is_not_kept_with_the_run() -> None:
    asked = read_settings("train.csv", label="y", notify="https://zoo.org/secret").answer_settings()
    assert asked == read_settings("train.csv", label="y").answer_settings()


def test_the_flow_flag_sends_an_event_for_the_run_and_one_where_rows_wait(
    run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["culpa.flows.flag"]
    sent: list[tuple[str, Any]] = []
    monkeypatch.setattr(events, "emit_event", lambda event, **more: sent.append((event, more)))
    monkeypatch.setattr(module, "flag_table", lambda *_: earlier_run(run.store, run.run_id))
    monkeypatch.setattr(module, "leave_artifacts", lambda _: None)
    module.flag.fn("pets.parquet", label="label")
    assert [event for event, _ in sent] == ["culpa.flagged", "culpa.review.waiting"]
    waiting = sent[1][1]
    assert waiting["resource"]["prefect.resource.id"] == "culpa.dataset.pets"
    assert waiting["payload"] == rows_waiting(earlier_run(run.store, run.run_id)).as_message()
    decide(run.store, ["r4", "r5", "r7"], "keep", None, by="ann", note=None, dataset="pets")
    module.flag.fn("pets.parquet", label="label")
    assert [event for event, _ in sent[2:]] == ["culpa.flagged"]
