"""From any source through the store into a file: what was not dropped comes out exactly as it went in."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from culpa.tasks.ingest import ingest
from culpa.tasks.publishing.publish import Published
from culpa.tasks.settings import read_settings
from culpa.tasks.work import claim
from tests.tasks.small_store import HARMFUL, SmallRun, ask, write_scores

LABELS = ["a", "b", "a", "b"]
AWKWARD = {
    "int8": pa.array([1, None, -3, 4], pa.int8()),
    "uint64": pa.array([2**64 - 1, None, 0, 1], pa.uint64()),
    "float32": pa.array([0.1, None, -0.0, 1e38], pa.float32()),
    "decimal": pa.array(["1.50", None, "2.25", "0.00"], pa.string()).cast(pa.decimal128(12, 2)),
    "large": pa.array(["a", None, "", "ü"], pa.large_string()),
    "binary": pa.array([b"\x00\xff", None, b"", b"x"], pa.binary()),
    "fixed": pa.array([b"ab", None, b"cd", b"ef"], pa.binary(2)),
    "seconds": pa.array([1, None, 3, 4], pa.timestamp("ms")),
    "nanoseconds": pa.array([1, None, 3, 4], pa.timestamp("ns")),
    "zoned": pa.array([1, None, 3, 4], pa.timestamp("us", "Europe/Berlin")),
    "date": pa.array([1, None, 3, 4], pa.date32()),
    "clock": pa.array([1, None, 3, 4], pa.time32("ms")),
    "span": pa.array([1, None, 3, 4], pa.duration("ms")),
    "category": pa.array(["u", None, "v", "u"]).dictionary_encode(),
    "small category": pa.array(["u", None, "v", "u"]).cast(pa.dictionary(pa.int8(), pa.string())),
    "list": pa.array([[1, 2], None, [], [None]], pa.list_(pa.int16())),
    "vector": pa.array([[1.0, 2.0], None, [0.5, 0.5], [3.0, 4.0]], pa.list_(pa.float32(), 2)),
    "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}, {"a": 4, "b": None}]),
    "map": pa.array([[("k", 1)], None, [], [("l", None)]], pa.map_(pa.string(), pa.int32())),
    "nothing": pa.nulls(4),
    "flag": pa.array([True, None, False, True]),
    "q\"uo'te; --": pa.array([1, 2, 3, 4]),
}


def published(folder: Path, source: Any, out: str = "out.parquet", **options: Any) -> Published:
    """Ingest, call the row `11` harmful, and publish."""
    settings = read_settings(source, **{"label": "label", "key": "id", "store": folder / "culpa.duckdb", **options})
    ingested = ingest(settings)
    work = claim(settings.store, ingested.run_id)
    sql = "SELECT row_id FROM rows WHERE given_label IS NOT NULL AND run_id = ?"
    rows = [row for (row,) in ask(settings.store, sql, [ingested.run_id])]
    write_scores(work, rows, {"11": HARMFUL})
    run = SmallRun(settings.store, ingested.run_id, work, settings)
    run.tag()
    return run.publish(folder / out, max_drop=1.0)


def awkward_table() -> pa.Table:
    """Four rows with a column of every awkward type."""
    return pa.table(
        {"id": pa.array([10, 11, 12, 13], pa.int32()), "x": [1.0, 2.0, 2.5, 4.0], **AWKWARD, "label": LABELS}
    )


def changed(found: pa.Table, expected: pa.Table) -> list[str]:
    """The columns whose values differ, letter by letter."""
    assert found.num_rows == expected.num_rows
    names = expected.column_names
    return [name for name in names if str(found[name].to_pylist()) != str(expected[name].to_pylist())]


def test_every_column_of_a_parquet_file_keeps_its_type_and_values(folder: Path) -> None:
    pq.write_table(awkward_table().replace_schema_metadata({b"owner": b"ann"}), folder / "input.parquet")
    given = pq.read_table(folder / "input.parquet")
    files = published(folder, folder / "input.parquet")
    clean, quarantine = pq.read_table(files.clean), pq.read_table(files.quarantine)
    assert clean.schema.equals(given.schema, check_metadata=True)
    assert changed(clean, given.take([0, 2, 3])) == []
    assert changed(quarantine.select(given.column_names), given.take([1])) == []


def test_every_column_of_a_table_in_memory_keeps_its_type_and_values(folder: Path) -> None:
    given = awkward_table()
    clean = pq.read_table(published(folder, given, dataset="given").clean)
    pq.write_table(given.take([0, 2, 3]), folder / "expected.parquet")  # what Parquet itself can say of such columns
    expected = pq.read_table(folder / "expected.parquet")
    assert clean.schema.equals(expected.schema)
    assert changed(clean, expected) == []


def test_a_pandas_frame_comes_back_as_it_was(folder: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": [10, 11, 12, 13],
            "size": pd.Categorical(["L", "S", None, "S"]),
            "at": pd.to_datetime(["2026-01-01", "2026-01-02", None, "2026-01-04"]),
            "took": pd.to_timedelta([1, 2, None, 4], unit="s"),
            "count": pd.array([1, None, 3, 4], dtype="Int16"),
            "text": ["x", "y", None, ""],
            "label": LABELS,
        }
    )
    clean = pd.read_parquet(published(folder, frame, dataset="frame").clean)
    pd.testing.assert_frame_equal(clean, frame.drop(index=1).reset_index(drop=True))


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".tsv", ".jsonl", ".jsonl.gz"])
def test_text_formats_say_the_same_again_when_they_are_read(folder: Path, ending: str) -> None:
    frame = pd.DataFrame(
        {
            "id": [10, 11, 12, 13, 14],
            "price": [1.5, 2.25, None, 1e-9, 0.1],
            "name": ['say "hi"', "a,b\tc", "zwei\nZeilen", "ü", "-"],
            "there": [True, False, None, True, False],
            "at": pd.to_datetime(["2026-01-01 10:00", "2026-01-02 11:00", None, "2026-01-04 12:00", None]),
            "label": ["a", "b", "b", "a", "b"],
        }
    )
    source = folder / f"input{ending}"
    if ending.startswith(".jsonl"):
        frame.to_json(source, orient="records", lines=True, date_format="iso")
    else:
        frame.to_csv(source, index=False, sep="\t" if ending.startswith(".tsv") else ",")
    first = published(folder, source, f"first{ending}").clean
    kept = published(folder, first, f"second{ending}", dataset="second").clean
    assert kept.read_bytes() == first.read_bytes()
    read = ask(folder / "culpa.duckdb", f"SELECT id, price, name, there FROM '{first}' ORDER BY id")
    expected = [
        (10, 1.5, 'say "hi"', True),
        (12, None, "zwei\nZeilen", None),
        (13, 1e-9, "ü", True),
        (14, 0.1, "-", False),
    ]
    assert [(int(row[0]), *row[1:]) for row in read] == expected


def test_rows_without_a_key_are_named_by_their_content(folder: Path) -> None:
    given = pa.table({"x": [1.0, 1.0, 2.0, 3.0, 4.0], "label": ["a", "a", "b", "b", None]})
    clean = published(folder, given, dataset="given", key=None)
    assert pq.read_table(clean.clean).equals(given)
    assert clean.counts["unlabelled"] == 1
