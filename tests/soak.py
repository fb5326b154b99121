"""Many processes flag, decide and publish on one store while others read it, and are killed at random.

    python -m tests.soak --seconds 600 --processes 8

Each process notes in a file of its own what it was told: a decision before it is made and after it was acknowledged,
the waits for the store, every error. In the end the books are balanced: the store is whole, every acknowledged decision
is there exactly once, each publish had all its rows, and nobody was told of a lock.
"""

import argparse
import json
import multiprocessing
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from culpa.flows import plain
from culpa.tasks import opening, work
from culpa.tasks import store as stores
from culpa.tasks.errors import BadInput, CulpaError, Refused
from culpa.tasks.outputs import sweep
from culpa.tasks.reviews.decide import decide
from culpa.tasks.runs import query
from culpa.tasks.upkeep.inspect import inspect
from culpa.tasks.views import use_current_views

DATASETS = 3
ROWS = 40
CHEAPEST = {
    "label": "label", "key": "id", "proxy": "linear", "rounds": 0, "folds": 2, "gate": "off", "calibrate": False,
    "faithfulness": False, "report": False, "cache": False, "max_drop": 1.0, "max_drop_per_class": 1.0,
}  # fmt: skip
READINGS = (
    "SELECT * FROM flagged LIMIT 20",
    "SELECT * FROM review_queue LIMIT 20",
    "SELECT count(*) FROM clean_rows",
    "SELECT * FROM row_history WHERE row_id = 'r7'",
    "SELECT * FROM issue_summary",
    "SELECT count(*) FROM decisions",
)
PRELOADED = [
    "culpa.flows.plain",
    *(f"culpa.tasks.{step}" for step in ("ingest", "train", "score", "tag", "gate", "publish", "decide")),
]


class Notes:
    """What one process saw, a line of JSON each; a killed process leaves whole lines, and at most one half line."""

    def __init__(self, file: Path) -> None:
        """Append to `file`."""
        self._file = file.open("a", buffering=1, encoding="utf-8")

    def note(self, what: str, **said: Any) -> None:
        """One line."""
        self._file.write(json.dumps({"what": what, **said}) + "\n")


@dataclass
class Worker:
    """One process among many, with its own input and output files, on the store of all."""

    folder: Path
    slot: int
    seed: int
    notes: Notes
    chance: random.Random = field(init=False)
    made: int = 0  # decisions so far, for their names

    def __post_init__(self) -> None:
        """The same seed does the same things, at other moments."""
        self.chance = random.Random(self.seed)

    @property
    def store(self) -> Path:
        """The store of all."""
        return self.folder / "culpa.duckdb"

    @property
    def out(self) -> Path:
        """Where this one publishes."""
        return self.folder / f"out_{self.slot}" / "cleaned.parquet"

    def step(self) -> None:
        """One thing that people and machines do."""
        acts: list[tuple[int, Callable[[], None]]] = [
            (2, self.clean), (1, self.publish), (4, self.decide), (4, self.insert), (4, self.read)
        ]  # fmt: skip
        act = self.chance.choices([act for _, act in acts], [weight for weight, _ in acts])[0]
        start = time.monotonic()
        try:
            act()
            self.notes.note("done", act=act.__name__, seconds=time.monotonic() - start)
        except (BadInput, Refused) as error:  # nothing flagged yet, or decided on between gate and publish
            self.notes.note("refused", act=act.__name__, error=str(error))
        except (CulpaError, duckdb.Error, OSError) as error:
            self.notes.note("error", act=act.__name__, error=f"{type(error).__name__}: {error}")

    def clean(self) -> None:
        """Flag a table that nobody has seen before, and publish it."""
        source = self.folder / f"in_{self.slot}.parquet"
        a_table(self.chance.randrange(2**31)).to_parquet(source)
        dataset = f"pets_{self.chance.randrange(DATASETS)}"
        result = plain.clean(str(source), dataset=dataset, store=self.store, out=self.out, **CHEAPEST)
        self.check_published(result.run_id)

    def publish(self) -> None:
        """Publish what somebody flagged."""
        runs = self.ask("SELECT run_id FROM runs WHERE state <> 'ingested' ORDER BY created_at DESC LIMIT 5")
        if runs:
            run_id = self.chance.choice(runs)[0]
            plain.publish(run_id, store=self.store, out=self.out, gate="off", max_drop=1.0, max_drop_per_class=1.0)
            self.check_published(run_id)

    def check_published(self, run_id: str) -> None:
        """clean + quarantine = input, row by row."""
        rows = sorted(row for (row,) in self.ask("SELECT row_id FROM rows WHERE run_id = ?", [run_id]))
        files = (self.out, self.out.with_name("cleaned.quarantine.parquet"))
        found = sorted(row for file in files for row in pq.read_table(file)["id"].to_pylist())
        self.notes.note("published", run=run_id, rows=len(rows), lost=len(set(rows) - set(found)), whole=rows == found)

    def decide(self) -> None:
        """A decision by the command's own function."""
        dataset, row = self.a_row()
        name = self.tried()
        decide(self.store, [row], self.chance.choice(["keep", "drop"]), by="ann", note=name, dataset=dataset)
        self.notes.note("acknowledged", name=name)

    def insert(self) -> None:
        """A decision in plain SQL."""
        dataset, row = self.a_row()
        name = self.tried()
        with stores.transaction(self.store) as connection:
            connection.execute(
                "INSERT INTO decisions (row_id, dataset, decision, note) VALUES (?, ?, 'keep', ?)", [row, dataset, name]
            )
        self.notes.note("acknowledged", name=name)

    def tried(self) -> str:
        """The name of the next decision, noted before it is made."""
        self.made += 1
        name = f"{self.slot}-{self.seed}-{self.made}"
        self.notes.note("tried", name=name)
        return name

    def a_row(self) -> tuple[str, str]:
        """A present row."""
        found = self.ask("SELECT dataset, row_id FROM current_rows")
        if not found:
            raise BadInput("nothing is flagged yet")
        return self.chance.choice(found)

    def read(self) -> None:
        """A question that leaves the store as it is."""
        query(self.store, self.chance.choice(READINGS))

    def ask(self, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """The answer of a query."""
        with stores.connect(self.store, read_only=True) as connection:
            use_current_views(connection)
            return connection.execute(sql, values or []).fetchall()


def a_table(seed: int) -> pd.DataFrame:
    """Two classes, some labels wrong, some rows missing."""
    numbers = np.random.default_rng(seed)
    features = numbers.normal(size=(ROWS, 2)).round(3)
    labels = np.where((features[:, 0] > 0) ^ (numbers.random(ROWS) < 0.1), "cat", "dog")
    table = pd.DataFrame(features, columns=["a", "b"]).assign(id=[f"r{row}" for row in range(ROWS)], label=labels)
    return table[numbers.random(ROWS) < 0.9].reset_index(drop=True)


def work_on(folder: Path, slot: int, seed: int, until: float, only_read: bool) -> None:
    """A process: one step after the other until it is time, or until it is killed."""
    notes = Notes(folder / "notes" / f"{slot}-{seed}.jsonl")
    opening.WAITED.append(lambda seconds, read_only: notes.note("waited", seconds=seconds, read_only=read_only))
    worker = Worker(folder, slot, seed, notes)
    while time.time() < until:
        if only_read:
            with suppress(BadInput):  # no view before the first run
                worker.read()
            time.sleep(worker.chance.uniform(0.0, 0.1))
        else:
            worker.step()


@dataclass
class Crew:
    """The processes, and whoever kills them."""

    folder: Path
    context: ForkServerContext
    until: float
    writers: int
    readers: int
    chance: random.Random
    running: dict[int, BaseProcess] = field(default_factory=dict)
    started: int = 0
    killed: int = 0

    def start(self, slot: int) -> None:
        """Put a process into a slot."""
        self.started += 1
        chosen = (self.folder, slot, self.started, self.until, slot >= self.writers)
        self.running[slot] = self.context.Process(target=work_on, args=chosen)
        self.running[slot].start()

    def run(self, seconds_between_kills: float) -> None:
        """Keep every slot filled until it is time; kill one now and then, wherever it stands."""
        for slot in range(self.writers + self.readers):
            (self.folder / f"out_{slot}").mkdir()
            self.start(slot)
        while (left := self.until - time.time()) > 0:
            time.sleep(min(left, self.chance.expovariate(1 / seconds_between_kills)))
            if time.time() < self.until:
                self.kill(self.chance.randrange(self.writers + self.readers))
        for process in self.running.values():
            process.join(120)
            assert process.exitcode == 0, f"a process ended with {process.exitcode}"

    def kill(self, slot: int) -> None:
        """Kill a process without a warning, and let another one take its place."""
        process = self.running[slot]
        if process.is_alive():
            process.kill()
            self.killed += 1
        process.join(10)
        self.start(slot)


@dataclass(frozen=True)
class Books:
    """What the soak came to."""

    seconds: float
    counts: dict[str, int]  # what was done, how often
    waits: dict[str, float]  # seconds until the store was open: median, 99th percentile, worst; for writing and reading
    slowest: dict[str, float]  # seconds of the slowest act of each kind
    killed: int
    errors: list[str]
    problems: list[str]  # of `culpa store check`
    lost: list[str]  # decisions that were acknowledged and are not there exactly once
    rows_lost: int
    unwhole: int  # publishes whose two files were not the input

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, and nobody was bothered."""
        return not (self.errors or self.problems or self.lost or self.rows_lost or self.unwhole)


def soak(
    folder: Path, seconds: float, writers: int, readers: int, *, between_kills: float = 2.0, seed: int = 0
) -> Books:
    """Run it in `folder` and balance the books."""
    (folder / "notes").mkdir()
    stores.create(folder / "culpa.duckdb")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    start = time.time()
    crew = Crew(folder, context, start + seconds, writers, readers, random.Random(seed))
    crew.run(between_kills)
    return balance(folder, time.time() - start, crew)


def balance(folder: Path, seconds: float, crew: Crew) -> Books:
    """Hold what everybody was told against what is there."""
    notes = [json.loads(line) for file in sorted((folder / "notes").iterdir()) for line in whole_lines(file)]
    store = folder / "culpa.duckdb"
    clear_up(folder, crew.writers)
    with stores.connect(store, read_only=True) as connection:
        there = Counter(name for (name,) in connection.execute("SELECT note FROM decisions").fetchall())
    acknowledged = [one["name"] for one in notes if one["what"] == "acknowledged"]
    tried = {one["name"] for one in notes if one["what"] == "tried"}
    lost = [name for name in acknowledged if there[name] != 1] + [
        name for name, n in there.items() if n > 1 or name not in tried
    ]
    done = Counter(one["act"] for one in notes if one["what"] == "done")
    published = [one for one in notes if one["what"] == "published"]
    found = inspect(store)
    return Books(
        seconds=seconds,
        counts={
            "openings for writing": sum(one["what"] == "waited" and not one["read_only"] for one in notes),
            "openings for reading": sum(one["what"] == "waited" and one["read_only"] for one in notes),
            **{f"{act} done": count for act, count in sorted(done.items())},
            "refused": sum(one["what"] == "refused" for one in notes),
            "decisions acknowledged": len(acknowledged),
            "decisions in the store": sum(there.values()),
            "publishes": len(published),
            **{f"{what} in the store": count for what, count in found.counts.items() if what != "decisions"},
        },
        waits=waits_of(notes),
        slowest={
            act: max(one["seconds"] for one in notes if one["what"] == "done" and one["act"] == act) for act in done
        },
        killed=crew.killed,
        errors=[one["error"] for one in notes if one["what"] == "error"],
        problems=[one.line for one in found.problems],
        lost=lost,
        rows_lost=sum(one["lost"] for one in published),
        unwhole=sum(not one["whole"] for one in published),
    )


def clear_up(folder: Path, writers: int) -> None:
    """What anybody's next run does: sweep what the killed left, and publish again where one was killed on the way."""
    store = folder / "culpa.duckdb"
    work.sweep(store)
    sweep(folder)
    with stores.connect(store, read_only=True) as connection:
        runs = connection.execute(
            "SELECT run_id FROM runs WHERE state <> 'ingested' ORDER BY created_at DESC"
        ).fetchall()
    for slot in range(writers if runs else 0):
        out = folder / f"out_{slot}" / "cleaned.parquet"
        plain.publish(runs[0][0], store=store, out=out, gate="off", max_drop=1.0, max_drop_per_class=1.0)


def waits_of(notes: list[dict[str, Any]]) -> dict[str, float]:
    """Median, 99th percentile and worst."""
    waits = {}
    for what, read_only in (("writing", False), ("reading", True)):
        seconds = [one["seconds"] for one in notes if one["what"] == "waited" and one["read_only"] is read_only] or [
            0.0
        ]
        median, ninety_nine, worst = np.quantile(seconds, [0.5, 0.99, 1.0])
        waits |= {f"{what}, median": median, f"{what}, 99 %": ninety_nine, f"{what}, worst": worst}
    return {name: round(float(value), 3) for name, value in waits.items()}


def whole_lines(file: Path) -> list[str]:
    """The lines that were written whole."""
    return [line for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("}\n")]


def as_text(books: Books) -> str:
    """The books for people."""
    lines = [f"{books.seconds:.0f} seconds, {books.killed} processes killed"]
    lines += [f"  {what:<28}{count:>9,}" for what, count in books.counts.items()]
    lines += [f"  waited for the store, {what:<16}{seconds:>9.3f} s" for what, seconds in books.waits.items()]
    lines += [f"  slowest {what:<20}{seconds:>9.2f} s" for what, seconds in books.slowest.items()]
    lines += [f"  rows lost {books.rows_lost}, publishes not whole {books.unwhole}, decisions lost {len(books.lost)}"]
    lines += [f"  errors {len(books.errors)}, problems of the store {len(books.problems)}"]
    return "\n".join([*lines, *(f"  ! {one}" for one in (*books.errors[:10], *books.problems[:10], *books.lost[:10]))])


def main() -> None:
    """Run it in a folder of its own, print the books, and fail unless all is well."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--between-kills", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    folder = Path(mkdtemp(prefix="culpa-soak-"))
    books = soak(
        folder, asked.seconds, asked.processes, asked.readers, between_kills=asked.between_kills, seed=asked.seed
    )
    print(as_text(books))
    if books.sound:
        shutil.rmtree(folder)
    raise SystemExit(0 if books.sound else f"not sound: see {folder}")


if __name__ == "__main__":
    main()
