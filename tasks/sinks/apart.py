"""Refuses a URL to write to that is what is read, by whichever name, or that would be read as input the next time.

Two URLs are one place where their file systems, or their databases and tables, are: `s3a://` is `s3://`, a port left
out is the usual one, localhost and 127.0.0.1 are this machine. What a publish writes beside its output counts as well.
"""

import os
import re
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb

from culpa.tasks.errors import BadInput
from culpa.tasks.formats import ending
from culpa.tasks.locations import is_postgres, is_url, last_name
from culpa.tasks.postgres import table_named
from culpa.tasks.sinks.postgres import SUFFIXES, target

__all__ = ["check_apart"]

ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "az": "abfs", "abfss": "abfs"}
HERE = ("", "localhost", "127.0.0.1", "::1")
BESIDE = ("quarantine.parquet", "weights.parquet", "manifest.json")
_MARKS = re.compile(r"(\*\*/?|\*|\?|\[[^\]/]+\])")


def check_apart(out: str, what: str, read: object, table: str | None = None) -> None:
    """BadInput where a publish to the URL `out` would write what is read: `table` of a database, or files."""
    if not is_url(read) or is_postgres(read) != is_postgres(out):
        return
    if is_postgres(out):
        schema, name = target(out)
        written = {(schema, name + suffix) for suffix in SUFFIXES.values()}
        if _database(out) == _database(read) and written & _tables(read, table):
            raise BadInput(f"the output {out} is the {what} itself: name another with --out")
        return
    for place in _files(out):
        if place == _place(read):
            raise BadInput(f"the output {out} is the {what} itself: name another with --out")
        if _would_be_read(_place(read), place):
            raise BadInput(
                f"the output {out} would be read as {what} the next time, for {read} finds {place}: put it elsewhere "
                "with --out"
            )


def _files(out: str) -> list[str]:
    """The URLs of a publish's files."""
    name = last_name(out)
    stem = name[: -len(ending(PurePosixPath(name)))]
    folder = _place(out).rpartition("/")[0]
    return [f"{folder}/{one}" for one in (name, *(f"{stem}.{end}" for end in BESIDE))]


def _place(url: str) -> str:
    """The one name of a place in a store of files."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("?versionId=")[0].partition("/")
    return f"{ALIASES.get(scheme.lower(), scheme.lower())}://{host.lower()}{re.sub('/+', '/', slash + path)}"


def _would_be_read(source: str, place: str) -> bool:
    """Whether a pattern finds the place, or a folder holds it."""
    scheme, _, pattern = source.partition("://")
    expression = "".join(map(_expression, _MARKS.split(pattern)))
    found = _MARKS.search(pattern) and re.fullmatch(f"{scheme}://{expression}", place)
    return bool(found) or place.startswith(source.rstrip("/") + "/")


def _expression(part: str) -> str:
    """A part of a pattern as a regular expression; one star stays within its folder."""
    if part.startswith("[") and part.endswith("]"):
        return "[^" + part[2:] if part[1] == "!" else part
    return {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))


def _database(url: str) -> tuple[str, str, str]:
    """Host, port and name of a database, with what the environment adds."""
    parts, options = urlsplit(url), dict(parse_qsl(urlsplit(url).query))
    host = (options.get("host") or parts.hostname or os.environ.get("PGHOST", "")).lower()
    port = options.get("port") or parts.port or os.environ.get("PGPORT") or 5432
    user = options.get("user") or parts.username or os.environ.get("PGUSER", "")
    name = options.get("dbname") or unquote(parts.path.strip("/")) or os.environ.get("PGDATABASE") or user
    return "localhost" if host in HERE or host.startswith("/") else host, str(port), name


def _tables(url: str, table: str | None) -> set[tuple[str, str]]:
    """The tables that are read, as far as their names or DuckDB's reading of the query tell."""
    if table is None or " " not in table.strip():
        named = table_named(url) if table is None else table_named(f"#{table}")
        return set() if named is None else {named}
    try:
        names = duckdb.get_table_names(table, qualified=True)
    except duckdb.Error:  # PostgreSQL's own words
        return set()
    return {named for name in names if (named := table_named(f"#{name.replace(chr(34), '')}"))}
