"""The page over a small store, asked without a browser; its data do their best to break a careless page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from starlette.testclient import TestClient

from culpa.flows.page.app import make_app
from culpa.flows.page.security import CSRF_HEADER, Door
from culpa.tasks.queue import Desk
from tests.tasks.report.proven_store import png
from tests.tasks.small_store import HARMFUL, SmallRun, small_run

PORT = 8000
BASE = f"http://127.0.0.1:{PORT}"
SCRIPT = "</dd><script>document.title='broken'</script>"
IMAGE = "<img src=x onerror=\"document.title='broken'\">"
LINK = "javascript:document.title='broken'"
COLUMN = 'a"><img src=x onerror=alert(1)>{{ 7 * 7 }}'
LABEL = "dog</b><script>1</script>"

ZOO = pa.table(
    {
        "id": ["r0", "r1", "r2", "r3", IMAGE, "r5", "r6", "r7"],
        COLUMN: [f"{LINK} {SCRIPT} {IMAGE}"] * 8,
        "story": ["a tale of a bad tail. " * 40] * 8,
        "picture": pa.array([png()] * 8, pa.binary()),
        "weight": [4.0, 5.0, 30.0, 25.0, 4.5, 3.9, 28.0, 33.0],
        "shop": ["east", "west"] * 4,
        "label": ["cat", "cat", LABEL, LABEL, LABEL, "cat", LABEL, "cat"],
    }
)
ZOO_SCORES = {
    IMAGE: {**HARMFUL, "memorization": 0.8, "suggested_label": "cat", "suggested_probability": 0.9},
    "r7": {**HARMFUL, "suspicion": 2.0, "suggested_label": LABEL, "suggested_probability": 0.8},
    "r5": {"memorization": 0.7, "suggested_label": LABEL, "suggested_probability": 0.6},
}


def zoo(folder: Path, **options: Any) -> SmallRun:
    """A tagged run whose ids, labels, column names and cells are hostile; three rows are flagged."""
    run = small_run(folder, ZOO, ZOO_SCORES, **options)
    run.tag()
    return run


class Visitor:
    """A browser of one reviewer, as far as requests go."""

    def __init__(self, client: TestClient, door: Door, by: str) -> None:
        """Somebody who opens the page with the key."""
        self.client, self.by = client, by
        self.headers = {"Origin": BASE, CSRF_HEADER: door.page_secret, "Sec-Fetch-Site": "same-origin"}
        client.get(f"/?token={door.token}")

    def row(self, row: str | None = None, step: int = 1, **filters: Any) -> dict[str, Any]:
        """The row that the page shows next."""
        asked = {"step": step, **({} if row is None else {"row": row}), **filters}
        return self.client.get("/row", params=asked).raise_for_status().json()

    def ids(self, **filters: Any) -> list[str]:
        """Every row that passes the filter, in order."""
        found: list[str] = []
        while (row := self.row(found[-1] if found else None, **filters))["row_id"] is not None:
            found.append(row["row_id"])
        return found

    def decide(self, row: dict[str, Any], decision: str, new_label: str | None = None, **more: Any) -> Any:
        """Decide on a row as it was shown; the response."""
        return self.post("/decide", **self._seen(row), decision=decision, new_label=new_label, **more)

    def undo(self, row: dict[str, Any], decision_id: int) -> Any:
        """Take a decision back; the response."""
        return self.post("/undo", **self._seen(row), decision_id=decision_id)

    def post(self, path: str, **body: Any) -> Any:
        """Send as the page's script does."""
        return self.client.post(path, json=body, headers=self.headers)

    def _seen(self, row: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in ("row_id", "row_hash", "last_id")} | {"by": self.by}


@contextmanager
def served(run: SmallRun, source: str | None = None) -> Iterator[tuple[Desk, Door, TestClient]]:
    """The page over a run's store, and a browser that has not been let in yet."""
    desk, door = Desk(run.store, source_column=source), Door(PORT)
    try:
        with TestClient(make_app(desk, door), base_url=BASE, follow_redirects=False) as client:
            yield desk, door, client
    finally:
        desk.close()
