"""`--no-data`: the store holds ids, hashes, labels and scores, and not one cell; everything else works as before."""

import json
from pathlib import Path
from secrets import token_hex

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from culpa.flows.command import answer
from culpa.flows.plain import clean, flag, publish
from culpa.tasks.errors import BadInput
from culpa.tasks.evidence import SCHEMA
from culpa.tasks.groups import groups_of
from culpa.tasks.outside import without_words
from culpa.tasks.reviews.decide import decide
from culpa.tasks.runs import list_runs
from culpa.tasks.upkeep.export import export_store, restore_store
from culpa.tasks.upkeep.inspect import inspect
from tests.tasks.real_store import CHEAPEST, GUARDS, pets_table
from tests.tasks.small_store import ask

ROWS = 60


def secrets_of(table: pd.DataFrame) -> list[bytes]:
    return [value.encode() for name in ("note", "breed") for value in table[name]]


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every row has a note of its own and one of three breeds, in the data as in the trusted file."""
    breeds = [f"breed-{token_hex(24)}" for _ in range(3)]

    def told(table: pd.DataFrame) -> pd.DataFrame:
        notes = [f"note-{token_hex(24)}" for _ in range(len(table))]
        return table.assign(note=notes, breed=pd.Categorical([breeds[row % 3] for row in range(len(table))]))

    return told(pets_table(ROWS)), told(pets_table(40, seed=1, wrong=False, prefix="t"))


@pytest.fixture
def folder(tmp_path: Path, tables: tuple[pd.DataFrame, pd.DataFrame]) -> Path:
    tables[0].to_parquet(tmp_path / "pets.parquet")
    tables[1].to_parquet(tmp_path / "trusted.parquet")
    return tmp_path


def given(folder: Path, **options: object) -> dict[str, object]:
    return {
        "label": "label", "key": "id", "reference": str(folder / "trusted.parquet"), "store": folder / "culpa.duckdb",
        **CHEAPEST, **GUARDS, "keep_data": False, **options,
    }  # fmt: skip


def found_in(folder: Path, tables: tuple[pd.DataFrame, pd.DataFrame], *files: str) -> set[bytes]:
    """The secrets that stand in the bytes of these files."""
    content = b"".join(path.read_bytes() for name in files for path in folder.glob(name) if path.is_file())
    return {secret for table in tables for secret in secrets_of(table) if secret in content}


BESIDE = ("culpa.duckdb", "culpa.duckdb.*", "culpa.duckdb.*/**/*", ".culpa*", "*.manifest.json")


def test_no_cell_is_in_the_store_or_beside_it(folder: Path, tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    source, out = str(folder / "pets.parquet"), folder / "cleaned.parquet"
    clean(source, out=out, **given(folder, report=True, gate="not-worse", seeds=2, faithfulness=True))
    assert (folder / "culpa.duckdb.reports").is_dir()
    assert found_in(folder, tables, *BESIDE) == set()
    kept = given(folder, keep_data=True, store=folder / "kept.duckdb")
    flag(source, **kept)
    assert found_in(folder, tables, "kept.duckdb") != set()  # the search can find them


def test_the_published_files_are_those_of_a_run_that_keeps_its_data(folder: Path) -> None:
    source = str(folder / "pets.parquet")
    mine = clean(source, out=folder / "mine.parquet", **given(folder))
    theirs = clean(source, out=folder / "theirs.parquet", **given(folder, keep_data=True))
    assert mine.run_id != theirs.run_id
    assert mine.dropped == theirs.dropped > 0
    assert pq.read_table(folder / "mine.parquet").equals(pq.read_table(folder / "theirs.parquet"), check_metadata=True)
    assert (
        pq.read_table(folder / "mine.quarantine.parquet")
        .drop("run")
        .equals(pq.read_table(folder / "theirs.quarantine.parquet").drop("run"))
    )
    assert not (folder / "culpa.duckdb.work").exists()
    assert inspect(folder / "culpa.duckdb").problems == ()


def test_a_later_publish_reads_the_source_again(folder: Path, tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    store = folder / "culpa.duckdb"
    run_id = flag(str(folder / "pets.parquet"), **given(folder)).run_id
    decide(store, ["p1"], "drop", by="ann")
    decide(store, ["p2"], "relabel", "cat", by="ann")
    published = publish(run_id, store=store, out=folder / "cleaned.parquet", gate="not-worse", **GUARDS)
    assert published.kept + published.dropped == ROWS
    kept, gone = pq.read_table(folder / "cleaned.parquet"), pq.read_table(folder / "cleaned.quarantine.parquet")
    notes = [value.encode() for table in (kept, gone) for value in table["note"].to_pylist()]
    assert sorted(notes) == sorted(value.encode() for value in tables[0]["note"])
    assert "p1" in gone["id"].to_pylist()
    assert kept.to_pandas().set_index("id").loc["p2", "label"] == "cat"
    assert found_in(folder, tables, *BESIDE) == set()
    assert not (folder / "culpa.duckdb.work").exists()


@pytest.mark.parametrize("name", ["pets.parquet", "trusted.parquet"])
def test_a_later_publish_of_a_changed_source_is_refused(folder: Path, name: str) -> None:
    store = folder / "culpa.duckdb"
    run_id = flag(str(folder / "pets.parquet"), **given(folder)).run_id
    table = pd.read_parquet(folder / name)
    table.loc[0, "note"] = "changed since"
    table.to_parquet(folder / name)
    with pytest.raises(BadInput, match=rf"is no longer what run {run_id} read, and the store keeps no data of it"):
        publish(run_id, store=store, out=folder / "cleaned.parquet", gate="off", **GUARDS)
    assert not (folder / "cleaned.parquet").exists()


def test_a_later_publish_of_a_source_that_is_gone_is_refused(folder: Path) -> None:
    run_id = flag(str(folder / "pets.parquet"), **given(folder)).run_id
    (folder / "pets.parquet").unlink()
    with pytest.raises(BadInput, match=r"no such file: .*pets.parquet"):
        publish(run_id, store=folder / "culpa.duckdb", out=folder / "cleaned.parquet", gate="off", **GUARDS)


def test_data_from_memory_are_published_at_once_or_never(
    folder: Path, tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    cleaned = clean(tables[0], dataset="pets", out=folder / "cleaned.parquet", **given(folder))
    assert cleaned.kept + cleaned.dropped == ROWS
    with pytest.raises(BadInput, match=r"came from memory and are kept nowhere"):
        publish(cleaned.run_id, store=folder / "culpa.duckdb", out=folder / "again.parquet", gate="off", **GUARDS)


def test_cleaning_again_changes_nothing(folder: Path) -> None:
    source, chosen = str(folder / "pets.parquet"), given(folder, out=folder / "cleaned.parquet")
    first, second = clean(source, **chosen), clean(source, **chosen)
    assert second.unchanged
    assert second.run_id == first.run_id
    assert not (folder / "culpa.duckdb.work").exists()


def test_views_show_ids_labels_and_scores_without_the_data(folder: Path) -> None:
    store = folder / "culpa.duckdb"
    flag(str(folder / "pets.parquet"), **given(folder))
    with_label = {name for name, *_ in ask(store, "DESCRIBE flagged")}
    assert {"row_id", "suspicion", "influence", "label"} <= with_label
    assert not {"weight", "height", "note", "breed"} & with_label
    flagged, waiting = (ask(store, f"SELECT row_id, label FROM {view}") for view in ("flagged", "review_queue"))
    assert {row for row, _ in flagged} == {row for row, _ in waiting}
    assert flagged
    ((rows, labels),) = ask(
        store, "SELECT count(*), count(label) FROM (FROM clean_rows UNION ALL BY NAME FROM quarantine)"
    )
    assert rows == labels == ROWS
    assert ask(store, "SELECT keeps_data FROM runs") == [(False,)]


def test_an_audit_of_such_a_run_goes_as_any(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = folder / "culpa.duckdb"
    run_id = clean(str(folder / "pets.parquet"), out=folder / "cleaned.parquet", **given(folder)).run_id
    gone = ask(store, "SELECT row_id FROM outcomes WHERE outcome = 'dropped'")[0][0]
    assert answer(["explain", gone, "--store", str(store)]) == 0
    assert "gone: " in capsys.readouterr().out
    assert answer(["report", run_id, "--store", str(store)]) == 0
    with pytest.raises(BadInput, match=r"has no column 'breed'"):
        groups_of(store, "breed")


def test_such_a_store_is_exported_and_restored(folder: Path, tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    store, again = folder / "culpa.duckdb", folder / "again.duckdb"
    run_id = flag(str(folder / "pets.parquet"), **given(folder)).run_id
    export_store(store, folder / "export")
    restore_store(folder / "export", again)
    assert found_in(folder, tables, "export/*", "again.duckdb") == set()
    assert ask(again, "SELECT * FROM flagged ORDER BY row_id") == ask(store, "SELECT * FROM flagged ORDER BY row_id")
    assert publish(run_id, store=again, out=folder / "cleaned.parquet", gate="off", **GUARDS).kept > 0


def test_words_to_blame_are_pieces_of_the_data() -> None:
    lines = [("r1", "blamed_word", 1, None, False, 0.5, "secret"), ("r1", "outvoted_by", 1, "r2", False, 0.5, None)]
    evidence = pa.Table.from_pylist([dict(zip(SCHEMA.names, line, strict=True)) for line in lines], schema=SCHEMA)
    assert without_words(evidence)["kind"].to_pylist() == ["outvoted_by"]


def test_the_command_takes_no_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "flag",
        str(folder / "pets.parquet"),
        "--label",
        "label",
        "--key",
        "id",
        "--proxy",
        "linear",
        "--gate",
        "off",
    ]
    words += ["--no-calibrate", "--no-faithfulness", "--rounds", "0", "--no-report", "--plain", "--json"]
    assert answer([*words, "--no-data", "--store", str(folder / "culpa.duckdb")]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == list_runs(folder / "culpa.duckdb")[0]["run_id"]
    assert ask(folder / "culpa.duckdb", "SELECT keeps_data FROM runs") == [(False,)]
    assert answer([*words, "--no-data", "--onto", "pets", "--store", str(folder / "culpa.duckdb")]) == 2
    assert "leave --no-data or --onto away" in capsys.readouterr().err
