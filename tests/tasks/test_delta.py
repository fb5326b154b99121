"""Delta Lake in and out."""

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.publishing.publish import publish
from culpa.tasks.reviews.decide import decide
from culpa.tasks.sinks import delta as sink
from culpa.tasks.sinks.fitting import Fitted
from tests.tasks.small_store import HARMFUL, PETS, pets, small_run
from tests.tasks.small_store import ask as ask_store
from tests.tasks.tables import animals, ask, ingested, saved


def table(folder: Path, *versions: slice) -> Path:
    """A Delta table of the animals, one version for each slice of its rows."""
    for rows in versions:
        write_deltalake(str(folder), pa.Table.from_pandas(animals()[rows], preserve_index=False), mode="overwrite")
    return folder


def rows_of(folder: Path, version: int | None = None) -> list[dict[str, Any]]:
    return DeltaTable(str(folder), version=version).to_pyarrow_table().sort_by("id").to_pylist()


def test_a_delta_table_is_read_at_its_latest_version_or_at_the_one_named(tmp_path: Path) -> None:
    zoo = table(tmp_path / "zoo", slice(0, 60), slice(0, 30))
    assert ingested(zoo, tmp_path, out=tmp_path / "clean.parquet").rows == 30
    assert ingested(f"{zoo}@0", tmp_path, out=tmp_path / "clean.parquet").rows == 60
    assert ask(tmp_path, "SELECT DISTINCT dataset FROM runs") == [("zoo",)]
    assert ask(tmp_path, "SELECT source FROM runs ORDER BY created_at") == [(str(zoo),), (f"{zoo}@0",)]


def test_rows_of_a_delta_table_have_the_ids_of_the_same_rows_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    ingested(table(tmp_path / "zoo", slice(0, 60)), tmp_path)
    ingested(saved(animals(), tmp_path / "file" / "zoo.parquet"), tmp_path / "file")
    rows = "SELECT row_id, given_label FROM rows ORDER BY position"
    assert ask(tmp_path, rows) == ask(tmp_path / "file", rows)


def test_a_delta_table_can_hold_the_trusted_rows(tmp_path: Path) -> None:
    trusted = table(tmp_path / "trusted", slice(0, 9))
    ingested(saved(animals(), tmp_path / "a.parquet"), tmp_path, reference=trusted)
    assert ask(tmp_path, "SELECT count(*) FROM reference_rows") == [(9,)]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("zoo@7", {}, "cannot use the Delta table .*zoo@7"),
        ("zo@0", {}, "no such file"),
        ("zoo", {"table": "zoo"}, "leave it away"),
        ("broken", {}, "cannot use the Delta table .*broken"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, options: dict[str, Any], message: str) -> None:
    table(tmp_path / "zoo", slice(0, 9))
    (tmp_path / "broken" / "_delta_log").mkdir(parents=True)
    with pytest.raises(BadInput, match=message):
        ingested(tmp_path / name, tmp_path, out=tmp_path / "clean.parquet", **options)


def test_a_publish_is_one_commit_that_names_its_run(folder: Path) -> None:
    run = pets(folder)
    published = run.publish(folder / "out.delta")
    assert [row["id"] for row in rows_of(folder / "out.delta")] == ["r0", "r1", "r2", "r3", "r5", "r6", "r8", "r9"]
    assert DeltaTable(str(folder / "out.delta")).version() == 0
    assert DeltaTable(str(folder / "out.delta")).history(1)[0]["culpa_run"] == run.run_id
    quarantine = pq.read_table(published.quarantine).select(PETS.column_names).to_pylist()
    together = [*rows_of(folder / "out.delta"), *quarantine]
    assert sorted(together, key=lambda row: row["id"]) == PETS.to_pylist()
    said = json.loads((folder / "out.manifest.json").read_text())["files"]["clean"]
    assert (said["rows"], said["version"]) == (8, 0)


def test_publishing_again_commits_nothing_and_a_decision_commits_once(folder: Path) -> None:
    run = pets(folder)
    run.publish(folder / "out.delta")
    assert publish(run.store, run.run_id, max_drop=0.3).unchanged
    (folder / "out.manifest.json").unlink()  # as a publish that died before its last step left it
    assert not run.publish(folder / "out.delta").unchanged
    assert DeltaTable(str(folder / "out.delta")).version() == 0
    decide(run.store, ["r4"], "keep", by="ann")
    assert run.publish(folder / "out.delta").counts["dropped"] == 1
    assert DeltaTable(str(folder / "out.delta")).version() == 1
    assert (len(rows_of(folder / "out.delta")), len(rows_of(folder / "out.delta", 0))) == (9, 8)


def test_rows_that_somebody_else_committed_are_replaced_by_the_next_publish(folder: Path) -> None:
    run = pets(folder)
    run.publish(folder / "out.delta")
    write_deltalake(str(folder / "out.delta"), PETS[:1], mode="append")
    assert not run.publish(folder / "out.delta").unchanged
    assert len(rows_of(folder / "out.delta")) == 8


def test_a_lost_file_of_the_table_is_written_anew(folder: Path) -> None:
    run = pets(folder)
    run.publish(folder / "out.delta")
    next((folder / "out.delta").glob("*.parquet")).unlink()
    assert not run.publish(folder / "out.delta").unchanged
    assert len(rows_of(folder / "out.delta")) == 8


@pytest.mark.parametrize("before", [False, True])
def test_rows_that_do_not_read_back_are_undone(folder: Path, monkeypatch: pytest.MonkeyPatch, before: bool) -> None:
    run = pets(folder)
    if before:
        run.publish(folder / "out.delta")
        decide(run.store, ["r4"], "keep", by="ann")
    real = sink.fitted

    def lossy(file: Path, fit: Any) -> Fitted:
        rows = real(file, fit)
        return Fitted(rows.schema, (batch.slice(1) for batch in rows.batches))

    monkeypatch.setattr(sink, "fitted", lossy)
    with pytest.raises(CulpaError, match="does not read back as it was written"):
        run.publish(folder / "out.delta")
    assert (folder / "out.delta").exists() == before
    if before:
        assert len(rows_of(folder / "out.delta")) == 8
    assert ask_store(run.store, "SELECT state FROM runs") == [("published" if before else "flagged",)]


def test_a_delta_table_can_be_divided_by_columns_with_odd_values(folder: Path) -> None:
    given = PETS.append_column("day", pa.array(["a b", "é/=", None, "%20", "a b", "a b", "x", "x", "x", "x"]))
    run = pets(folder, table=given)
    run.publish(folder / "out.delta", partition_by=("day",))
    assert DeltaTable(str(folder / "out.delta")).metadata().partition_columns == ["day"]
    assert publish(run.store, run.run_id, max_drop=0.3).unchanged


def test_every_type_that_delta_can_say_reads_back_as_it_was(folder: Path) -> None:
    at = datetime.datetime(2020, 5, 1, 12, 30, 15, 123456)
    kinds = {
        "dictionary": pa.array(["a", "b", None]).dictionary_encode(),
        "zoned": pa.array([at, None, at], pa.timestamp("us", "Europe/Berlin")),
        "decimal": pa.array([Decimal("1.25"), None, Decimal("-3.50")], pa.decimal128(10, 2)),
        "uint64": pa.array([1, None, 2**64 - 1], pa.uint64()),
        "uint8": pa.array([1, None, 255], pa.uint8()),
        "date64": pa.array([datetime.date(2020, 1, 1), None, None], pa.date64()),
        "list": pa.array([[1, 2], None, []], pa.list_(pa.int64())),
        "struct": pa.array([{"a": 1}, None, {"a": None}], pa.struct([("a", pa.int64())])),
        "text": pa.array(["", None, "é'\n\x00"], pa.large_string()),
        "nothing": pa.nulls(3),
    }
    run = small_run(folder, pa.table({"id": list("abc"), **kinds, "label": list("xyx")}), {"c": HARMFUL})
    run.tag()
    run.publish(folder / "out.delta", max_drop=0.5)
    assert [row["id"] for row in rows_of(folder / "out.delta")] == ["a", "b"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, 2], pa.duration("us")), r"Delta Lake cannot hold the columns x \(duration"),
        (pa.array([1588336215123456789, 1], pa.timestamp("ns")), "a value has no room there"),
    ],
)
def test_what_delta_cannot_say_is_refused(folder: Path, column: pa.Array, message: str) -> None:
    run = small_run(folder, pa.table({"id": ["a", "b"], "x": column, "label": ["x", "y"]}), {})
    run.tag()
    with pytest.raises(BadInput, match=message):
        run.publish(folder / "out.delta")
    assert not (folder / "out.delta").exists()


def test_a_table_that_culpa_did_not_write_is_never_replaced(folder: Path) -> None:
    table(folder / "out.delta", slice(0, 9))
    with pytest.raises(BadInput, match="is there already, and culpa did not write it"):
        pets(folder).publish(folder / "out.delta")
    assert DeltaTable(str(folder / "out.delta")).version() == 0
