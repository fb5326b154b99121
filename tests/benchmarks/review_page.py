"""How long does a reviewer wait? A store of a million rows, 100,000 of them flagged, and the page on it.

The store is written straight by SQL: no model is trained, and labels, scores and evidence are made up. The page is
started by its command and asked over HTTP as its script asks, and in Chromium by its keys where there is one: the first
row, then a decision on each and the next row, again and again.

    python -m tests.benchmarks.review_page [--rows 1000000] [--flagged 100000] [--steps 200] [--think 1]
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import httpx
import pyarrow as pa

from culpa.tasks import store as stores
from culpa.tasks.runs import find_run
from culpa.tasks.views import create_views
from tests.benchmarks.tables import print_table

RUN = "bbbbbbbbbbbb"
CLASSES = [f"class {number}" for number in range(10)]
NUMBERS = [f"x{number}" for number in range(8)]
SCHEMA = pa.schema(
    [("id", pa.string()), ("text", pa.string()), *((name, pa.float64()) for name in NUMBERS), ("source", pa.string()),
     ("kind", pa.string())]
)  # fmt: skip
TABLES = {  # of row i, the n-th group of as many rows as one flagged one stands for
    "rows": "i AS position, 'class ' || n % 10 AS given_label, i AS duplicate_group, false AS is_reference",
    "scores": """'class ' || n % 10 AS given_label, 'class ' || (n + 1) % 10 AS suggested_label,
        random() AS suggested_probability, random() AS self_influence,
        random() AS memorization, random() AS probability_without, random() - 0.5 AS influence,
        random() AS influence_p_value, random() * 10 - 5 AS suspicion, random() AS probability_wrong,
        i AS duplicate_group""",
    "tags": """flagged AS memorized, flagged AS harmful, flagged AS droppable,
        CASE WHEN flagged THEN 'mislabeled' ELSE 'neither' END AS corner, corner AS tag,
        'harms the reference rows, and was learned by heart' AS reason""",
}
KEEP = """() => new Promise((done) => {
    const start = performance.now(), shown = document.getElementById("row");
    new MutationObserver((_, watcher) => { watcher.disconnect(); done(performance.now() - start); })
        .observe(shown, { childList: true });
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "k", bubbles: true }));
})"""
ROLES = {"id": "key", "text": "text", "source": "categorical", "kind": "label"}


def write_store(store: Path, rows: int, flagged: int) -> None:
    """A flagged run of `rows` rows, each (rows / flagged)th of which carries a tag and evidence, with a calibration."""
    stores.create(store)
    every = rows // flagged
    with stores.transaction(store) as connection:
        connection.execute("SELECT setseed(0.5)")
        _write_run(connection, rows)
        for table, columns in TABLES.items():
            hashed = "" if table == "tags" else "md5(i::VARCHAR) AS row_hash, "
            connection.execute(
                f"""INSERT INTO {table} BY NAME
                    SELECT '{RUN}' AS run_id, 'r' || i AS row_id, {hashed}{columns}
                    FROM (SELECT i, i // {every} AS n, i % {every} = 0 AS flagged FROM range({rows}) t(i))"""
            )
        numbers = ", ".join(f"random() * 10 AS {name}" for name in NUMBERS)
        connection.execute(
            f"""CREATE TABLE data_big AS
                SELECT 'r' || i AS __row_id, md5(i::VARCHAR) AS __row_hash, 'r' || i AS id,
                       'parcel ' || i % 997 || ' came late and its box was bent at corner ' || i % 77 AS text,
                       {numbers}, 'shop ' || i // {every} % 5 AS source, 'class ' || i // {every} % 10 AS kind
                FROM range({rows}) t(i)"""
        )
        connection.execute(
            f"""INSERT INTO evidence BY NAME
                SELECT '{RUN}' AS run_id, 'r' || {every} * i AS row_id, 'outvoted_by' AS kind, rank + 1 AS rank,
                       'r' || {every} * (i + rank + 1) % {rows} AS other_row_id, false AS other_is_reference,
                       0.3 AS value
                FROM range({flagged}) t(i), range(3) s(rank)"""
        )
        connection.execute(
            f"""INSERT INTO calibration BY NAME
                SELECT '{RUN}' AS run_id, budget, 0.6 AS precision_expected, 0.6 * budget AS wrong_expected,
                       5 - budget / {rows / 10} AS suspicion
                FROM (SELECT {max(1, flagged // 20)} * (i + 1) AS budget FROM range(20) t(i))"""
        )
        create_views(connection, find_run(connection, RUN))


def _write_run(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    columns = [
        {"name": name, "type": "", "role": ROLES.get(name, "numeric"), "used": True, "reason": ""}
        for name in SCHEMA.names
    ]
    line = {
        "run_id": RUN, "dataset": "big", "state": "flagged", "source": "big.parquet", "label": "kind",
        "key_column": "id", "task": "classification", "settings": "{}", "versions": "{}", "data_fingerprint": "f",
        "data_table": "data_big", "arrow_schema": SCHEMA.serialize().to_pybytes(), "columns": json.dumps(columns),
        "classes": json.dumps(CLASSES), "row_count": rows, "unlabelled_count": 0, "warnings": "[]",
        "created_at": "2026-01-01", "flagged_at": "2026-01-01",
    }  # fmt: skip
    marks = ", ".join(f"${name} AS {name}" for name in line)
    connection.execute(f"INSERT INTO runs BY NAME SELECT {marks}", line)


@contextmanager
def page(store: Path) -> Iterator[tuple[subprocess.Popen[str], str, float]]:
    """The command, running: its process, the page's address, and the seconds until it was there."""
    words = [sys.executable, "-m", "culpa.flows.command", "review", "--store", str(store), "--no-open", "--by", "ann"]
    start = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = re.search(r"http://\S+", process.stdout.readline())
            assert url is not None
            yield process, url[0], time.perf_counter() - start
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


class Reviewer:
    """Asks over HTTP as the page's script does."""

    def __init__(self, url: str) -> None:
        """Take the key from the address, and the secret from the page."""
        self.base = url.partition("/?")[0]
        self.client = httpx.Client(follow_redirects=True, timeout=60)
        self.secret = re.search(r'culpa-secret" content="([^"]+)', self.client.get(url).text)[1]  # type: ignore[index]

    def next(self, row: str | None) -> dict[str, Any]:
        """The next undecided row."""
        asked = {"step": 1} if row is None else {"step": 1, "row": row}
        return self.client.get(f"{self.base}/row", params=asked).raise_for_status().json()  # type: ignore[no-any-return]

    def keep(self, row: dict[str, Any]) -> None:
        """Decide on a row."""
        body = {name: row[name] for name in ("row_id", "row_hash", "last_id")} | {"decision": "keep", "by": "ann"}
        headers = {"Origin": self.base, "x-culpa-page": self.secret}
        self.client.post(f"{self.base}/decide", json=body, headers=headers).raise_for_status()


def over_http(url: str, steps: int) -> list[float]:
    """Milliseconds of each step: the decision, and the next row."""
    reviewer = Reviewer(url)
    row, taken = reviewer.next(None), []
    for _ in range(steps):
        start = time.perf_counter()
        reviewer.keep(row)
        row = reviewer.next(row["row_id"])
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def in_chromium(url: str, steps: int, think: float, chromium: str) -> list[float]:
    """Milliseconds from the key K until another row is on the page, as the page itself measures them.

    The page shows the next row while the decision is on its way, and decides on that one when it has arrived.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page()
        shown.goto(url)
        shown.wait_for_selector("html[data-ready=yes]")
        taken = []
        for _ in range(steps):
            time.sleep(think)
            taken.append(shown.evaluate(KEEP))
        browser.close()
    return taken


def resident(process: int) -> float:
    """MB of memory that a process holds."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def processor(process: int) -> float:
    """Milliseconds of processor time that a process has used, which other work on the machine lengthens little."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(words: Sequence[str] | None = None) -> None:
    """Make the store, start the page, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--flagged", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--think", type=float, default=1.0, help="seconds that a person looks at a row")
    chosen = parser.parse_args(words)
    with TemporaryDirectory() as folder:
        store = Path(folder) / "culpa.duckdb"
        write_store(store, chosen.rows, chosen.flagged)
        with page(store) as (process, url, started):
            start = time.perf_counter()
            Reviewer(url).next(None)
            first = time.perf_counter() - start
            ways: dict[str, Callable[[], list[float]]] = {"over HTTP, no pause": lambda: over_http(url, chosen.steps)}
            if chromium := shutil.which("chromium"):
                ways[f"in Chromium, {chosen.think:g} s a row"] = lambda: in_chromium(
                    url, chosen.steps, chosen.think, chromium
                )
            figures = []
            for name, way in ways.items():
                before = processor(process.pid)
                taken = way()
                spent = (processor(process.pid) - before) / chosen.steps
                spread = (statistics.median(taken), sorted(taken)[int(0.95 * len(taken))], max(taken), spent)
                figures.append([name, str(len(taken)), *(f"{one:.0f}" for one in spread)])
            memory = resident(process.pid)
    print(f"{chosen.rows:,} rows, {chosen.flagged:,} flagged: the page is there after {started:.1f} s, its first row")
    print(f"{1000 * first:.0f} ms later; it holds {memory:.0f} MB")
    head = ["", "steps", "median", "95 %", "worst", "processor"]
    print_table("A decision and the next row, milliseconds; and processor time of the page per row", head, figures)


if __name__ == "__main__":
    main()
