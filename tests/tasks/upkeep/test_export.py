"""A store carried to plain files and back is the same store; nothing is overwritten, and damage is noticed."""

import json
import stat
from pathlib import Path

import pytest

from culpa.flows.command import answer
from culpa.tasks import store as stores
from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.publishing.publish import publish
from culpa.tasks.reviews.decide import decide
from culpa.tasks.upkeep.export import export_store, restore_store
from culpa.tasks.upkeep.inspect import inspect
from tests.tasks.real_store import GUARDS, real_store
from tests.tasks.small_store import ask

ODD = """
    CREATE TABLE "data_odd ""name""; x" AS
    SELECT 1::UTINYINT AS "a;b", -170141183460469231731687303715884105727::HUGEINT AS huge,
        1.5::DECIMAL(38, 2) AS price,    INTERVAL 3 MONTH AS span, 'a'::ENUM('a', 'b') AS kind, '1010'::BIT AS bits,
        '2026-01-01 10:00:00+02'::TIMESTAMPTZ AS at, 'ab\\x00'::BLOB AS bytes, [1, NULL]::HUGEINT[] AS many,
        {'x': 1, 'y': 'z'} AS both, 'NaN'::DOUBLE AS odd, '{"a": 1}'::JSON AS text, MAP {'k': 1} AS pairs,
        '10:00:00'::TIME AS hour, uuid() AS name
    UNION ALL BY NAME SELECT NULL::INTEGER AS "a;b"
"""


def tables(store: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table's rows in their order, with the columns' names and types before them."""
    names = ask(store, "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY 1")
    quoted = {name: '"' + name.replace('"', '""') + '"' for (name,) in names}
    return {
        name: [*ask(store, f"DESCRIBE {table}"), *ask(store, f"SELECT * FROM {table} ORDER BY rowid")]
        for name, table in quoted.items()
    }


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return real_store(tmp_path)


def test_a_restored_store_is_the_exported_one(store: Path, tmp_path: Path) -> None:
    with stores.transaction(store) as connection:
        connection.execute(ODD)
    exported = export_store(store, tmp_path / "export")
    restored = restore_store(tmp_path / "export", tmp_path / "again.duckdb")
    assert repr(tables(tmp_path / "again.duckdb")) == repr(tables(store))
    assert exported.tables == restored.tables
    assert exported.tables["rows"] == 60


def test_a_restored_store_goes_on_as_the_old_one_would(store: Path, tmp_path: Path) -> None:
    run_id = ask(store, "SELECT run_id FROM runs")[0][0]
    publish(store, run_id, **GUARDS)
    export_store(store, tmp_path / "export")
    again = tmp_path / "again.duckdb"
    restore_store(tmp_path / "export", again)
    assert inspect(again).problems == ()
    for view in ("flagged", "review_queue", "clean_rows", "quarantine", "row_history", "current_decisions"):
        assert ask(again, f"SELECT * FROM {view} ORDER BY ALL") == ask(store, f"SELECT * FROM {view} ORDER BY ALL")
    assert publish(again, run_id, **GUARDS).unchanged
    decide(again, ["p7"], "drop", by="eva")
    assert ask(again, "SELECT max(decision_id) FROM decisions") == [(4,)]


def test_exported_files_are_for_their_owner_alone(store: Path, tmp_path: Path) -> None:
    export_store(store, tmp_path / "export")
    restore_store(tmp_path / "export", tmp_path / "again.duckdb")
    files = [*(tmp_path / "export").iterdir(), tmp_path / "again.duckdb"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "export").stat().st_mode) == 0o700


def test_nothing_is_overwritten(store: Path, tmp_path: Path) -> None:
    export_store(store, tmp_path / "export")
    before = store.read_bytes()
    with pytest.raises(BadInput, match=r"export is there already: name a new folder"):
        export_store(store, tmp_path / "export")
    with pytest.raises(BadInput, match=r"culpa.duckdb is there already and is not overwritten"):
        restore_store(tmp_path / "export", store)
    assert store.read_bytes() == before


def test_a_damaged_export_makes_no_store(store: Path, tmp_path: Path) -> None:
    export_store(store, tmp_path / "export")
    rows = next((tmp_path / "export").glob("*_rows.parquet"))
    rows.write_bytes(rows.read_bytes()[:-1])
    with pytest.raises(BadInput, match=rf"export is damaged: .*{rows.name}"):
        restore_store(tmp_path / "export", tmp_path / "again.duckdb")
    rows.unlink()
    with pytest.raises(BadInput, match=r"is damaged"):
        restore_store(tmp_path / "export", tmp_path / "again.duckdb")
    assert not (tmp_path / "again.duckdb").exists()


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1, "tables": 3}', "[]"])
def test_a_folder_that_is_no_export_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match=r"is no exported store: its manifest.json cannot be read"):
        restore_store(tmp_path, tmp_path / "again.duckdb")


def test_a_folder_that_is_missing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none has no manifest.json: name the folder that `culpa store export` wrote"):
        restore_store(tmp_path / "none", tmp_path / "again.duckdb")
    with pytest.raises(BadInput, match=r"none does not exist; create it or name another place with --store"):
        restore_store(tmp_path, tmp_path / "none" / "again.duckdb")


def test_a_store_is_restored_where_there_are_no_hard_links(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    export_store(store, tmp_path / "export")
    monkeypatch.setattr("os.link", refuse)
    assert restore_store(tmp_path / "export", tmp_path / "again.duckdb").tables["rows"] == 60
    assert inspect(tmp_path / "again.duckdb").problems == ()
    with pytest.raises(BadInput, match="is not overwritten"):
        restore_store(tmp_path / "export", tmp_path / "again.duckdb")


def test_an_export_of_a_newer_culpa_is_refused(store: Path, tmp_path: Path) -> None:
    export_store(store, tmp_path / "export")
    manifest = tmp_path / "export" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema_version": 99}))
    with pytest.raises(BadInput, match=r"was exported by a newer culpa .format 1, version 99"):
        restore_store(tmp_path / "export", tmp_path / "again.duckdb")


def test_a_manifest_cannot_bring_sql_of_its_own(store: Path, tmp_path: Path) -> None:
    export_store(store, tmp_path / "export")
    manifest = tmp_path / "export" / "manifest.json"
    said = json.loads(manifest.read_text())
    data = next(one for one in said["tables"] if one["name"].startswith("data_"))
    data["columns"][0]["type"] = "VARCHAR); DROP TABLE decisions; CREATE TABLE x (y INTEGER"
    manifest.write_text(json.dumps(said))
    with pytest.raises(CulpaError, match=r"no store was made"):
        restore_store(tmp_path / "export", tmp_path / "again.duckdb")
    assert not (tmp_path / "again.duckdb").exists()


def test_a_failed_export_leaves_no_folder(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("culpa.tasks.upkeep.export.checksum", full)
    before = sorted(one.name for one in tmp_path.iterdir())
    with pytest.raises(CulpaError, match=r"No space left on device; nothing was exported"):
        export_store(store, tmp_path / "export")
    assert sorted(one.name for one in tmp_path.iterdir()) == before


def test_the_commands_carry_a_store_there_and_back(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export, again = str(tmp_path / "export"), str(tmp_path / "again.duckdb")
    assert answer(["store", "export", export, "--store", str(store)]) == 0
    assert answer(["store", "restore", export, "--store", again]) == 0
    assert capsys.readouterr().out.count(" lines in ") == 2
    assert answer(["store", "restore", export, "--store", again]) == 2
