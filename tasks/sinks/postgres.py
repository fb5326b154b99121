"""Tables of a PostgreSQL database: `postgresql://host/db#schema.table`, its quarantine `table_quarantine` beside it.

The place is one text, as every other place is: it is remembered with the run, and a publish without --out finds it.
Everything happens in one transaction: fresh tables are filled and read back, the rows of the old tables give way to
theirs, and the manifest takes its row in `culpa_manifests` of the same schema. Readers wait for nothing and see the old
rows or the new ones, always whole; grants, indexes and views stay. Where the columns are others than before, the fresh
tables take the names of the old ones: then grants and indexes go, where a view depends on one the database refuses and
nothing changes, and a reader whose snapshot is older than the new table sees it empty (so it is with every table that
is made anew: https://www.postgresql.org/docs/current/mvcc-caveats.html).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import pyarrow as pa

from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.locations import Location
from culpa.tasks.outputs import Drafts
from culpa.tasks.places import Places
from culpa.tasks.postgres import rows_of, session, table_named
from culpa.tasks.publishing import manifest
from culpa.tasks.publishing.sides import Drafted, quarantine_schema
from culpa.tasks.runs import Run
from culpa.tasks.sinks.fitting import check_fits, fitted
from culpa.tasks.sinks.postgres_types import fit
from culpa.tasks.sinks.read_back import check_same
from culpa.tasks.sql import literal, quoted

__all__ = ["PostgresTables", "check_database", "target"]

SUFFIXES = {"clean": "", "quarantine": "_quarantine", "weights": "_weights"}
LONGEST_NAME = 63  # bytes: PostgreSQL cuts longer names off
SEALED = "SELECT manifest FROM {manifests} WHERE table_name = {name}"
CHECKSUM = "SELECT count(*), CAST(coalesce(sum(hashtextextended(CAST(t AS text), 0)), 0) AS text) FROM {table} AS t"
COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = (SELECT oid FROM pg_class WHERE oid = to_regclass({table}) AND relkind = 'r')
      AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum"""
MANIFESTS = """
    CREATE TABLE IF NOT EXISTS {manifests} (
        table_name text PRIMARY KEY, run text NOT NULL, manifest jsonb NOT NULL,
        published_at timestamptz NOT NULL DEFAULT now())"""
REMEMBER = """
    INSERT INTO {manifests} (table_name, run, manifest) VALUES ({name}, {run}, CAST({text} AS jsonb))
    ON CONFLICT (table_name) DO UPDATE SET run = excluded.run, manifest = excluded.manifest, published_at = now()"""


def target(url: str) -> tuple[str, str]:
    """The schema and table to write; BadInput if the URL names none, or one whose name is too long."""
    named = table_named(url)
    if named is None:
        raise BadInput(f"name the table to write behind a #, as in {urldefrag(url).url}#public.cleaned")
    if len((named[1] + "_quarantine").encode()) > LONGEST_NAME:
        raise BadInput(f"the table's name {named[1]!r} is too long: at most {LONGEST_NAME - len('_quarantine')} bytes")
    return named


def check_database(url: str) -> None:
    """BadInput or CulpaError where the database cannot be reached or has no such schema."""
    schema = target(url)[0]
    with session(url) as cursor:
        if not rows_of(cursor, f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(schema)}"):
            raise BadInput(f"{urldefrag(url).url} has no schema {schema!r}: create it, or name another behind the #")


@dataclass(frozen=True)
class PostgresTables:
    """The tables that a URL names."""

    url: str
    run: Run
    weights: bool

    def __post_init__(self) -> None:
        target(self.url)
        check_fits(quarantine_schema(self.run), fit, "PostgreSQL")

    @property
    def roles(self) -> tuple[str, ...]:
        """The parts there are."""
        return ("clean", "quarantine", "weights") if self.weights else ("clean", "quarantine")

    @property
    def shown(self) -> Mapping[str, Location]:
        """URLs with the tables' names."""
        schema, table = target(self.url)
        base = urldefrag(self.url).url
        found: dict[str, Location] = {role: f"{base}#{schema}.{table}{SUFFIXES[role]}" for role in self.roles}
        return {**found, "manifest": f"{base}#{schema}.culpa_manifests"}

    @property
    def layout(self) -> Mapping[str, Any]:
        """Nothing to say."""
        return {}

    def places(self, work: Path) -> Places:
        """Parquet in the work folder first."""
        weights = work / "weights.parquet" if self.weights else None
        return Places(work / "clean.parquet", work / "quarantine.parquet", work / "manifest.json", weights)

    def holds(self, said: dict[str, Any]) -> bool:
        """By checksums that the database computes over the tables; no row is moved."""
        with session(self.url) as cursor:
            text = self._sealed(cursor)
            sealed = None if text is None else manifest.seals(text, said)
            return sealed is not None and all(
                self._exists(cursor, role) and _weighed(cursor, self._table(role)) == sealed[role]["table"]
                for role in self.roles
            )

    def deliver(self, drafts: Drafts, drafted: Mapping[str, Drafted], said: dict[str, Any]) -> None:
        """Fill fresh tables, read them back, and let them take the names; all or nothing."""
        del drafts
        sealed = manifest.seal(said, {role: (one.path, one.side) for role, one in drafted.items()})
        with session(self.url) as cursor:
            self._lock(cursor)
            self._check_ours(cursor)
            for role, one in drafted.items():
                sealed["files"][role]["table"] = self._fill(cursor, role, one)
            for role in self.roles:
                self._replace(cursor, role, sealed["files"][role]["table"])
            cursor.execute(MANIFESTS.format(manifests=self._manifests))
            text = literal(manifest.as_text(sealed))
            cursor.execute(REMEMBER.format(**self._names, run=literal(self.run.run_id), text=text))
            cursor.connection.commit()

    def _replace(self, cursor: Any, role: str, weight: list[Any]) -> None:
        """Put the fresh rows in place of the old ones: into the same table where its columns are the same."""
        table, fresh = self._table(role), self._fresh(role)
        if _columns(cursor, table) != _columns(cursor, fresh):
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            cursor.execute(f"ALTER TABLE {fresh} RENAME TO {quoted(self._name(role))}")
            return
        cursor.execute(
            f"DELETE FROM ONLY {table}"
        )  # a table that is truncated is empty to all who began to read before
        cursor.execute(f"INSERT INTO {table} SELECT * FROM {fresh}")
        cursor.execute(f"DROP TABLE {fresh}")
        if _weighed(cursor, table) != weight:
            raise CulpaError(f"the table {table} does not hold what was written into it: is there a trigger or a rule?")

    def _lock(self, cursor: Any) -> None:
        """Let publishes to the same tables wait for each other."""
        cursor.execute(f"SELECT pg_advisory_xact_lock(hashtextextended({literal(self._table('clean'))}, 0))")

    def _check_ours(self, cursor: Any) -> None:
        """Refuse to replace a table that the last publish did not write: the clean one alone may be ours."""
        text = self._sealed(cursor)
        ours = set() if text is None else set(json.loads(text)["files"])
        foreign = [self._table(role) for role in self.roles if role not in ours and self._exists(cursor, role)]
        if foreign:
            raise BadInput(
                f"the table {foreign[0]} is there already, and culpa did not write it in its last publish there: "
                "rename or drop it, or name another behind the #"
            )

    def _fill(self, cursor: Any, role: str, one: Drafted) -> list[Any]:
        schema, fresh = target(self.url)[0], self._fresh_name(role)
        rows = fitted(one.path, fit)
        cursor.adbc_ingest(fresh, rows.schema.empty_table(), mode="create", db_schema_name=schema)
        for field in rows.schema:
            if pa.types.is_decimal(field.type):
                size = f"numeric({field.type.precision}, {field.type.scale})"
                cursor.execute(f"ALTER TABLE {self._fresh(role)} ALTER COLUMN {quoted(field.name)} TYPE {size}")
        for batch in rows.batches:
            cursor.adbc_ingest(fresh, batch, mode="append", db_schema_name=schema)
        cursor.execute(f"SELECT * FROM {self._fresh(role)}")
        check_same(one.path, cursor.fetch_record_batch(), f"the table {self._table(role)}")
        return _weighed(cursor, self._fresh(role))

    def _sealed(self, cursor: Any) -> str | None:
        known = rows_of(cursor, f"SELECT CAST(to_regclass({literal(self._manifests)}) AS text)")[0][0]
        found = rows_of(cursor, SEALED.format(**self._names)) if known else []
        return None if not found else _text(found[0][0])

    def _exists(self, cursor: Any, role: str) -> bool:
        return rows_of(cursor, f"SELECT to_regclass({literal(self._table(role))}) IS NOT NULL") == [(True,)]

    @property
    def _names(self) -> dict[str, str]:
        return {"manifests": self._manifests, "name": literal(target(self.url)[1])}

    @property
    def _manifests(self) -> str:
        return f"{quoted(target(self.url)[0])}.culpa_manifests"

    def _name(self, role: str) -> str:
        return target(self.url)[1] + SUFFIXES[role]

    def _table(self, role: str) -> str:
        return f"{quoted(target(self.url)[0])}.{quoted(self._name(role))}"

    def _fresh_name(self, role: str) -> str:
        return f"culpa_draft_{self.run.run_id}_{role}"

    def _fresh(self, role: str) -> str:
        return f"{quoted(target(self.url)[0])}.{quoted(self._fresh_name(role))}"


def _columns(cursor: Any, table: str) -> list[Any]:
    """Names and types of a plain table's columns, in order; nothing of what is no such table."""
    return list(rows_of(cursor, COLUMNS.format(table=literal(table))))


def _weighed(cursor: Any, table: str) -> list[Any]:
    """How many rows, and the order-free sum of the database's hash of each."""
    return list(rows_of(cursor, CHECKSUM.format(table=table))[0])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
