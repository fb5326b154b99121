"""Inputs that try to break out of SQL, paths and terminals, carried through flag, decide and publish."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from culpa.flows.plain import flag, publish
from culpa.tasks.explain import explain
from culpa.tasks.reviews.decide import decide
from culpa.tasks.runs import query
from culpa.tasks.upkeep.inspect import inspect

CHEAPEST: dict[str, Any] = {
    "proxy": "linear", "rounds": 0, "folds": 2, "gate": "off", "calibrate": False, "faithfulness": False,
    "report": False, "cache": False, "max_drop": 1.0, "max_drop_per_class": 1.0,
}  # fmt: skip
ROWS = 24
ENDING = "; DROP TABLE decisions; --"
TEXTS = {  # a word for people -> the text itself
    "a single quote": "it's",
    "a double quote": 'a "quoted" name',
    "a statement": f"x'{ENDING}",
    "a quoted statement": f'x"{ENDING}',
    "a word of SQL": "select",
    "another word of SQL": "order by 1 desc",
    "a line break": "two\nlines",
    "a tab and a carriage return": "a\tb\rc",
    "a backslash": "C:\\new\\table",
    "a placeholder": "$run_id ? {own} {{data}} %s",
    "spaces around": "  padded  ",
    "one space": " ",
    "a dash in front": "--help",
    "letters of other scripts": "Größe λ 数据 данные",
    "an emoji": "🐈‍⬛",
    "written from right to left": "\u202eevil\u202c",
    "of no width": "la\u200bbel\ufeff",
    "the same letter in two ways": "e\u0301",
    "a name of ours": "suspicion",
    "the name of a table": "decisions",
    "HTML": "<script>alert(1)</script>",
    "a formula": "=HYPERLINK(A1)",
    "an escape sequence": "\x1b[31mred\x07",
    "long": "x" * 5_000,
}


@dataclass(frozen=True)
class Hostile:
    """What one input is called everywhere, and what came out in the end."""

    given: pa.Table
    clean: pa.Table
    quarantine: pa.Table
    store: Path
    run_id: str


def table_of(
    feature: str = "x",
    label: str = "label",
    key: str = "id",
    classes: tuple[Any, Any] = ("cat", "dog"),
    prefix: str = "r",
) -> pa.Table:
    """A table of ROWS rows whose names, labels and keys are as asked for; a number and a text as features."""
    places = range(ROWS)
    columns = {
        key: [f"{prefix}{place}" for place in places],
        feature: [float(place % 2) + place / 100 for place in places],
        "kind": ["a" if place % 3 else "b" for place in places],
        label: [classes[place % 2] for place in places],
    }
    return pa.table(columns)


def through(
    folder: Path,
    given: pa.Table,
    *,
    label: str = "label",
    key: str = "id",
    source: str = "pets.parquet",
    out: str = "cleaned.parquet",
    relabel: str | None = None,
    ask: bool = True,
    **options: Any,
) -> Hostile:
    """Flag the table, decide to drop its first row and to relabel (or keep) its second, and publish."""
    path, store = folder / source, folder / "culpa.duckdb"
    pq.write_table(given, path)
    chosen = {**CHEAPEST, **options}
    dataset = chosen.setdefault("dataset", "pets")
    run_id = flag(str(path), label=label, key=key, store=store, **chosen).run_id
    first, second = (str(given[key][place].as_py()) for place in (0, 1))
    decide(store, [first], "drop", by="o'ann", note=ENDING, dataset=dataset)
    decide(store, [second], "keep" if relabel is None else "relabel", relabel, by="ann", dataset=dataset)
    how: dict[str, Any] = {"gate": "off", "max_drop": 1.0, "max_drop_per_class": 1.0, "report": False}
    published = publish(run_id, store=store, out=folder / out, **how)
    assert published.manifest is not None
    clean, quarantine = pq.read_table(folder / out), pq.read_table(published.quarantine)
    check_whole(given, clean, quarantine, key, label, relabel)
    if ask:
        check_asked(store, first)
    return Hostile(given, clean, quarantine, store, run_id)


def check_whole(
    given: pa.Table, clean: pa.Table, quarantine: pa.Table, key: str, label: str, relabel: str | None
) -> None:
    """Every cell of every row is on one side as it was, but for the label that a person changed."""
    assert clean.schema == given.schema
    assert quarantine.schema.names[: given.num_columns] == given.schema.names
    expected, sides = given.to_pylist(), clean.to_pylist() + quarantine.select(range(given.num_columns)).to_pylist()
    if relabel is not None:
        expected[1][label] = relabel
    assert sorted(map(repr, sides)) == sorted(map(repr, expected))
    assert given[key][0].as_py() in quarantine[key].to_pylist()


def check_asked(store: Path, row: str) -> None:
    """The store is sound, its views answer, and a person can ask about the row."""
    assert inspect(store).problems == ()
    for view in ("flagged", "review_queue", "clean_rows", "quarantine", "row_history", "issue_summary"):
        query(store, f"SELECT * FROM {view}")
    assert query(store, "SELECT count(*) AS n FROM decisions")["n"].to_pylist() == [2]
    assert "drop by o'ann" in " ".join(explain(store, row, None).text.split())
