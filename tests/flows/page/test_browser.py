"""From a table with wrong labels to the published file, by hand: a person, a real browser, and only keys."""

import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager

import pandas as pd
import pytest

from culpa.flows.command import answer
from tests.flows.blobs import write_blobs
from tests.tasks.small_store import ask

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="the browser tests need chromium on the path"),
    pytest.mark.slow,
]
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
FLAG = ("flag", "train.parquet", "--label", "kind", "--key", "id", "--proxy", "linear", "--gate", "off",
        "--no-calibrate", "--no-faithfulness", "--no-report", "--plain")  # fmt: skip


@contextmanager
def reviewing(*words):
    """The command, running; gives what it printed first. Ctrl-C must end it well."""
    command = [sys.executable, "-m", "culpa.flows.command", "review", "--port", "0", "--no-open", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline()
        finally:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert "every decision is in the store" in out


class Person:
    """Looks at the page and presses keys; what happened is kept for the transcript."""

    def __init__(self, page):
        self.page, self.transcript = page, []

    def row(self):
        """The name of the row that is shown."""
        return self.page.inner_text("#row-title .name")

    def said(self):
        """What a screen reader was told last."""
        return self.page.inner_text("#said")

    def press(self, *keys, until):
        """Press keys one after the other, and wait until the page says so."""
        for key in keys:
            self.page.keyboard.press(key)
        self.page.locator(
            "#said", has_text=until
        ).wait_for()  # a function to wait for would need what the policy forbids
        self.transcript.append(f"{' '.join(keys):<12} {self.said()}")


def test_a_person_flags_decides_by_keyboard_and_publishes(folder):
    wrong = write_blobs(folder / "train.parquet", rows=120, wrong=10)
    given = pd.read_parquet("train.parquet").set_index("id")["kind"]
    assert answer(FLAG) == 0
    proposed = {row for (row,) in ask("culpa.duckdb", "SELECT row_id FROM flagged WHERE droppable")}
    assert len(proposed) >= 5
    with reviewing() as first_line, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.spoken, page.asked = [], []
        page.on("console", lambda message: page.spoken.append(message.text))
        page.on("pageerror", lambda error: page.spoken.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        url = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", first_line)[0]
        page.goto(url)
        page.wait_for_selector("html[data-ready=yes]")
        assert "token" not in page.url
        page.keyboard.type("ann")
        page.keyboard.press("Enter")
        person, done = Person(page), {}
        for name, keys in {"keep": "k", "drop": "d", "undo": "d", "defer": "f"}.items():
            done[name] = person.row()
            past = {"k": "kept", "d": "dropped", "f": "deferred"}[keys]
            person.press(keys, until=f"{done[name]} {past}")
            if name == "undo":
                person.press("u", until="Taken back")
                assert person.row() == done["undo"]
                person.press("n", until="Row ")
        done["relabel"] = person.row()
        other = page.evaluate("current.suggested_label")
        page.keyboard.press("r")
        page.wait_for_selector("#relabel-dialog[open]")
        assert page.evaluate("document.getElementById('new-label').value") == other
        person.press("Enter", until=f"{done['relabel']} relabelled as {other}")
        before = person.row()
        person.press("p", until=f"Row {done['defer']}")  # the relabelled row is decided, so that it is passed over
        person.press("j", until=f"Row {before}")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.name") == "state"
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        assert page.is_visible("#help-dialog")
        page.keyboard.press("Escape")
        page.locator("#counts", has_text="3 of").wait_for()
        person.transcript.append(f"{'':<12} {page.inner_text('#counts')}")
        tabbed = []
        for _ in range(60):
            page.keyboard.press("Tab")
            tabbed.append(
                page.evaluate(
                    "[document.activeElement.dataset.do, getComputedStyle(document.activeElement).outlineStyle]"
                )
            )
        assert {name for name, _ in tabbed} >= {"keep", "drop", "relabel", "defer", "undo", "next", "previous", "help"}
        assert {outline for name, outline in tabbed if name} == {"solid"}
        assert {re.sub(r"(:\d+/).*", r"\1", url) for url in page.asked if not url.startswith("data:")} == {
            re.sub(r"(:\d+/).*", r"\1", url)
        }
        assert page.spoken == []
        browser.close()
    assert len(set(done.values())) == 5
    run = ask("culpa.duckdb", "SELECT run_id FROM runs")[0][0]
    assert (
        answer(["publish", run, "--plain", "--max-drop", "1", "--max-drop-per-class", "1", "--out", "clean.parquet"])
        == 0
    )
    clean = pd.read_parquet("clean.parquet").set_index("id")["kind"]
    quarantined = set(pd.read_parquet("clean.quarantine.parquet")["id"])
    expected_gone = (proposed | {done["drop"]}) - {done["keep"], done["relabel"]}
    assert set(given.index) - set(clean.index) == expected_gone == quarantined
    changed = {row: clean[row] for row in clean.index if clean[row] != given[row]}
    assert changed == {done["relabel"]: other}
    print("\n".join(["", *person.transcript, f"published: {len(clean)} of {len(given)} rows, {len(wrong)} were wrong"]))
