"""Where rows come from: Parquet, CSV, TSV and JSON lines (a file, a glob, a folder), a DuckDB file, any of these at a
URL, a PostgreSQL database, or a table in memory.

Whatever it is becomes one SQL relation that DuckDB can scan as often as it likes, with the exact Arrow schema beside
it, so that the cleaned table can be given the input's types back. Rows are never touched one by one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from culpa.tasks import memory_tables
from culpa.tasks.column_names import check_names
from culpa.tasks.delta import delta_table, opened, plainly
from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.fetching import Brought, fetch
from culpa.tasks.files import called, find_files, format_of
from culpa.tasks.locations import is_postgres, is_url
from culpa.tasks.nearest import nearest
from culpa.tasks.sql import literal, quoted

if TYPE_CHECKING:
    from culpa.tasks.settings import Settings


@dataclass(frozen=True)
class Source:
    """An opened source, good for as long as the connection that it was opened on."""

    name: str  # as messages call it
    relation: str  # SQL to put after FROM; its columns are those of the schema, in the same order
    schema: pa.Schema
    declared: bool  # the types are the file's own; False: guessed from text, as in CSV
    brought: Brought | None = None  # where the files were fetched from, if they were


def open_source(connection: duckdb.DuckDBPyConnection, settings: "Settings") -> Source:
    """The table to clean, readable through `connection`; BadInput says what is wrong with its path or table."""
    if not isinstance(settings.source, str | Path):
        return _open_memory(connection, settings)
    return open_path(connection, settings.source, table=settings.table, text=settings.text + settings.categorical)


def open_path(
    connection: duckdb.DuckDBPyConnection,
    source: str | Path,
    *,
    table: str | None = None,
    text: Sequence[str] = (),
    alias: str = "source_file",
) -> Source:
    """A file, glob, folder or URL; columns in `text` are read as text even where they look like numbers.

    A DuckDB file is attached to the connection as `alias`; what lies at a URL is fetched beside the connection's file.
    """
    if is_url(source):
        brought = fetch(source, _folder_of(connection), table)
        return _open_brought(connection, brought, None if is_postgres(source) else table, text, alias)
    if named := delta_table(source):
        return _open_delta(connection, source, *named, table, alias)
    return _open_files(connection, find_files(source), str(source), table, text, alias)


def _open_delta(
    connection: duckdb.DuckDBPyConnection,
    source: str | Path,
    folder: Path,
    version: int | None,
    table: str | None,
    alias: str,
) -> Source:
    if table is not None:
        raise BadInput(f"--table is for DuckDB files and PostgreSQL, and {source} is a Delta table: leave it away")
    found = opened(folder, version)
    with plainly(source):
        try:
            rows = found.to_pyarrow_dataset()
        except Exception as error:  # what this library's reader does not know is told by classes of its own
            raise BadInput(f"cannot read the Delta table {source}: {str(error).split(chr(10))[0]}") from error
    check_names(str(source), rows.schema.names)
    connection.register(f"{alias}_delta", rows)
    return Source(str(source), _select(quoted(f"{alias}_delta"), rows.schema), rows.schema, declared=True)


def _open_files(
    connection: duckdb.DuckDBPyConnection,
    files: list[Path],
    source: str,
    table: str | None,
    text: Sequence[str],
    alias: str,
) -> Source:
    kind = format_of(files[0])
    empty = [file for file in files if file.stat().st_size == 0]
    if empty:
        raise BadInput(f"{empty[0]} is empty: nothing to clean")
    try:
        if kind == "duckdb":
            return _open_database(connection, files[0], table, alias)
        if table is not None:
            raise BadInput(f"--table is for DuckDB files and PostgreSQL, and {source} is {kind}: leave it away")
        return (
            _open_parquet(connection, files, text) if kind == "parquet" else _open_text(connection, files, kind, text)
        )
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise unreadable(source, error) from error


def _open_brought(
    connection: duckdb.DuckDBPyConnection, brought: Brought, table: str | None, text: Sequence[str], alias: str
) -> Source:
    """Fetched files, under the names that they have where they come from."""
    try:
        source = _open_files(connection, brought.files, brought.name, table, text, alias)
    except CulpaError as error:
        raise type(error)(brought.spoken(str(error))) from error
    return replace(source, name=brought.spoken(source.name), brought=brought)


def _folder_of(connection: duckdb.DuckDBPyConnection) -> Path:
    """The folder of the connection's own file."""
    found = connection.execute("SELECT path FROM duckdb_databases() WHERE database_name = current_database()")
    return Path(found.fetchall()[0][0]).parent


def unreadable(name: str, error: Exception) -> CulpaError:
    """What to tell when DuckDB or Arrow could not read a source."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return CulpaError(f"{name} does not fit into the memory allowed: raise --memory-limit ({_first_line(error)})")
    return BadInput(f"cannot read {name}: {_first_line(error)}")


def _open_memory(connection: duckdb.DuckDBPyConnection, settings: "Settings") -> Source:
    if settings.table is not None:
        raise BadInput(
            "--table is for DuckDB files and PostgreSQL, and the source is a table in memory "
            f"({settings.source_name}): leave it away"
        )
    as_text = (*settings.categorical, *settings.text, *settings.ignore)
    schema, table = memory_tables.arrow_table(settings.source, as_text)
    check_names(settings.source_name, schema.names)
    connection.register("table_in_memory", table)
    return Source(settings.source_name, _select("table_in_memory", schema), schema, declared=True)


def _open_parquet(connection: duckdb.DuckDBPyConnection, files: list[Path], text: Sequence[str]) -> Source:
    schema = _common_schema(files)
    relation = f"read_parquet({_list(files)}, union_by_name = true)"
    found = _described(connection, relation)
    partitions = found.names[len(schema) :]  # columns that stand in the folders' names, as Hive lays them out
    if as_text := [name for name in partitions if name in text]:
        types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in as_text)
        relation = f"{relation[:-1]}, hive_types = {{{types}}})"
        found = _described(connection, relation)
    for name in partitions:
        schema = schema.append(found.field(name))
    return Source(called(files), _select(relation, schema), schema, declared=True)


def _common_schema(files: list[Path]) -> pa.Schema:
    schemas = [pq.read_schema(file) for file in files]
    for file, schema in zip(files, schemas, strict=True):
        check_names(str(file), schema.names)
    try:
        return pa.unify_schemas(schemas, promote_options="permissive") if len(schemas) > 1 else schemas[0]
    except pa.ArrowException as error:
        raise BadInput(
            f"the {len(files)} files of {called(files)} do not fit together: {_first_line(error)}"
        ) from error


def _open_text(connection: duckdb.DuckDBPyConnection, files: list[Path], kind: str, text: Sequence[str]) -> Source:
    names = _list(files)
    if kind == "json":
        relation = f"read_json({names}, sample_size = -1, union_by_name = true, format = 'auto')"
    else:
        delimiter = ", delim = '\t'" if kind == "tsv" else ""
        relation = f"read_csv({names}, sample_size = -1, header = true, union_by_name = true{delimiter}"
        known = [name for name in text if name in _described(connection, relation + ")").names]
        types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in known)
        relation += f", types = {{{types}}})" if types else ")"
    schema = _described(connection, relation)
    check_names(called(files), schema.names)
    return Source(called(files), _select(relation, schema), schema, declared=False)


def _open_database(connection: duckdb.DuckDBPyConnection, file: Path, table: str | None, alias: str) -> Source:
    connection.execute(f"ATTACH {literal(str(file))} AS {alias} (READ_ONLY)")
    tables = [name for (name,) in connection.execute(TABLES, [alias]).fetchall()]
    if table is None and len(tables) != 1:
        raise BadInput(
            f"{file} has {len(tables)} tables ({', '.join(tables[:10])}): choose one, or give a query, with --table"
        )
    chosen = tables[0] if table is None else table
    if chosen in tables:
        relation = f"{alias}.{quoted(chosen)}"
    elif " " not in chosen.strip():
        raise BadInput(f"{file} has no table {chosen!r}{nearest(chosen, tables)}")
    else:
        relation = _query(connection, chosen, alias)
    schema = _described(connection, relation)
    check_names(str(file), schema.names)
    return Source(f"{file} ({chosen})", _select(relation, schema), schema, declared=True)


def _query(connection: duckdb.DuckDBPyConnection, sql: str, alias: str) -> str:
    """A user's query as a relation that finds the source's tables by their bare names."""
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise BadInput(f"--table must be a table's name or one SELECT, got: {sql}")
    here = connection.execute("SELECT current_database()").fetchall()[0][0]
    connection.execute(f"SET search_path = '{here}.main,{alias}.main'")
    return f"({statements[0].query.strip().rstrip(';')})"


def _select(relation: str, schema: pa.Schema) -> str:
    """The relation's columns in the schema's order, in types that DuckDB 1.5 can store as well.

    A zoned timestamp in nanoseconds is stored as one without a zone, in UTC.
    """
    parts = []
    for field in schema:
        column = quoted(field.name)
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns" and field.type.tz:
            column = f"{column} AT TIME ZONE 'UTC' AS {column}"
        parts.append(column)
    return f"(SELECT {', '.join(parts)} FROM {relation})"


def _described(connection: duckdb.DuckDBPyConnection, relation: str) -> pa.Schema:
    return connection.sql(f"SELECT * FROM {relation} LIMIT 0").to_arrow_table().schema


def _list(files: list[Path]) -> str:
    """Files as DuckDB takes them; what is a pattern to it, and only part of the name here, is put into brackets."""
    return "[" + ", ".join(literal(re.sub(r"([*?\[])", r"[\1]", str(file))) for file in files) + "]"


def _first_line(error: Any) -> str:
    return str(error).strip().split("\n")[0]


TABLES = "SELECT table_name FROM information_schema.tables WHERE table_catalog = ? ORDER BY table_name"
