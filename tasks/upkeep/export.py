"""A store as plain files and back: one Parquet file for each table, and a manifest that says what they are.

For backups, for another DuckDB version, and for readers that know no DuckDB. What Parquet cannot say is written as
text and read back from it. A restore checks every file against the manifest and makes a new store, whole or not at all.
"""

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks import store as stores
from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.migrate import make_views_again
from culpa.tasks.opening import SCHEMA_VERSION
from culpa.tasks.outputs import checksum, draft_of, flush, link, sweep
from culpa.tasks.outside import make_data_views
from culpa.tasks.private import FILE, new_file, new_folder, owner_only
from culpa.tasks.runs import find_run
from culpa.tasks.sql import literal, quoted

__all__ = ["Exported", "export_store", "restore_store"]

FORMAT = 1
MANIFEST = "manifest.json"
UNSPEAKABLE = re.compile(
    r"HUGEINT|INTERVAL|BIT|UNION|VARIANT|BIGNUM|TIME WITH TIME ZONE|ENUM|GEOMETRY|TIME_NS|\"NULL\""
)


@dataclass(frozen=True)
class Exported:
    """What was carried, and where to."""

    place: Path
    tables: dict[str, int]  # name -> rows
    bytes: int


def export_store(store: Path, folder: Path) -> Exported:
    """Write every table of `store` into the new folder `folder`, as of one moment.

    Errors: BadInput where `folder` is there already; CulpaError for a full disk, and then no folder appears.
    """
    folder = Path(folder)
    if folder.exists():
        raise BadInput(f"{folder} is there already: name a new folder, so that nothing is overwritten")
    if not folder.absolute().parent.is_dir():
        raise BadInput(f"cannot write {folder}: the folder {folder.absolute().parent} does not exist")
    draft = draft_of(folder)
    try:
        new_folder(draft)
        with owner_only(), stores.connect(Path(store), read_only=True) as connection:
            manifest = _write(connection, draft)
        os.rename(draft, folder)
        flush(folder.absolute().parent)
    except (OSError, duckdb.IOException) as error:
        raise CulpaError(f"cannot write {folder}: {error}; nothing was exported") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return _exported(folder, folder, manifest)


def restore_store(folder: Path, store: Path) -> Exported:
    """Make the new store `store` from what `export_store` left in `folder`.

    Errors: BadInput where there is a store already, and for a folder that is no export, or a damaged one.
    """
    folder, store = Path(folder), Path(store)
    if store.exists():
        raise BadInput(f"{store} is there already and is not overwritten: name another place with --store")
    if not store.absolute().parent.is_dir():
        raise BadInput(
            f"cannot make the store {store}: the folder {store.absolute().parent} does not exist; create it or name "
            "another place with --store"
        )
    manifest = _checked(folder)
    draft = draft_of(store.with_name(f"{store.name}.restored"))
    try:
        sweep(store.absolute().parent)
        stores.write_empty(draft)
        with owner_only(), duckdb.connect(draft) as connection:
            _read(connection, folder, manifest)
        flush(draft)
        link(draft, store)
        flush(store.absolute().parent)
    except FileExistsError as error:
        raise BadInput(f"{store} is there already and is not overwritten: name another place with --store") from error
    except (OSError, duckdb.Error) as error:
        raise CulpaError(f"cannot make the store {store} from {folder}: {error}; no store was made") from error
    finally:
        for name in (draft.name, f"{draft.name}.wal"):
            with suppress(OSError):
                draft.with_name(name).unlink()
    return _exported(store, folder, manifest)


def _write(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Any]:
    names = "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary ORDER BY table_name"
    connection.begin()  # one moment for all tables
    tables = [
        _write_table(connection, folder, name, place)
        for place, (name,) in enumerate(connection.execute(names).fetchall())
    ]
    last = connection.execute("SELECT last_value FROM duckdb_sequences() WHERE sequence_name = 'decision_number'")
    manifest = {
        "format": FORMAT,
        "culpa": version("culpa"),
        "schema_version": SCHEMA_VERSION,
        "decisions_numbered": int(last.fetchall()[0][0] or 0),
        "tables": tables,
    }
    connection.rollback()
    new_file(folder / MANIFEST)
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    flush(folder / MANIFEST)
    return manifest


def _write_table(connection: duckdb.DuckDBPyConnection, folder: Path, name: str, place: int) -> dict[str, Any]:
    """One table in its order; the file is numbered, since a table's name need not be a file's."""
    columns = {column: kind for column, kind, *_ in connection.execute(f"DESCRIBE {quoted(name)}").fetchall()}
    chosen = ", ".join(
        f"CAST({quoted(column)} AS VARCHAR) AS {quoted(column)}" if UNSPEAKABLE.search(kind) else quoted(column)
        for column, kind in columns.items()
    )
    file = folder / f"{place:03d}_{re.sub(r'[^A-Za-z0-9_]+', '_', name)[:60]}.parquet"
    to = f"{literal(str(file))} (FORMAT parquet, COMPRESSION zstd)"
    rows = connection.execute(f"COPY (SELECT {chosen} FROM {quoted(name)} ORDER BY rowid) TO {to}").fetchall()[0][0]
    file.chmod(FILE)
    flush(file)
    said = [{"name": column, "type": kind} for column, kind in columns.items()]
    return {"name": name, "file": file.name, "rows": int(rows), "sha256": checksum(file), "columns": said}


def _checked(folder: Path) -> dict[str, Any]:
    """The manifest of an export whose files are all there and unchanged."""
    if not (folder / MANIFEST).is_file():
        raise BadInput(f"{folder} has no {MANIFEST}: name the folder that `culpa store export` wrote")
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        known = (manifest["format"], manifest["schema_version"], manifest["decisions_numbered"])
        files = {folder / Path(one["file"]).name: one["sha256"] for one in manifest["tables"]}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadInput(f"{folder} is no exported store: its {MANIFEST} cannot be read ({error})") from error
    if known[0] != FORMAT or known[1] > SCHEMA_VERSION:
        raise BadInput(
            f"{folder} was exported by a newer culpa (format {known[0]}, version {known[1]}; this one knows "
            f"{FORMAT} and {SCHEMA_VERSION}): update culpa"
        )
    damaged = [path.name for path, sealed in files.items() if not path.is_file() or checksum(path) != sealed]
    if damaged:
        raise BadInput(f"{folder} is damaged: {', '.join(damaged[:5])} missing or changed since; take another export")
    return manifest


def _read(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: dict[str, Any]) -> None:
    ours = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    connection.begin()
    for one in manifest["tables"]:
        columns = {column["name"]: str(duckdb.type(column["type"])) for column in one["columns"]}
        if one["name"] == "meta":
            continue
        if one["name"] not in ours:
            kinds = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
            connection.execute(f"CREATE TABLE {quoted(one['name'])} ({kinds})")
        chosen = ", ".join(f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in columns.items())
        file = literal(str(folder / Path(one["file"]).name))
        connection.execute(f"INSERT INTO {quoted(one['name'])} BY NAME SELECT {chosen} FROM read_parquet({file})")
    connection.execute("SELECT nextval('decision_number') FROM range(?)", [manifest["decisions_numbered"]]).fetchall()
    asked = "SELECT run_id FROM runs WHERE NOT keeps_data"
    for (run_id,) in connection.execute(asked).fetchall():
        make_data_views(connection, find_run(connection, run_id))
    make_views_again(connection)
    connection.commit()


def _exported(place: Path, folder: Path, manifest: dict[str, Any]) -> Exported:
    tables = {one["name"]: int(one["rows"]) for one in manifest["tables"]}
    return Exported(place, tables, sum(path.stat().st_size for path in folder.iterdir()))
