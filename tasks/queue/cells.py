"""A row's own columns as a reviewer reads them: long texts folded, images shown, what is to blame marked."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from markupsafe import Markup

from culpa.tasks.report.images import Pictures
from culpa.tasks.report.marked import marked
from culpa.tasks.runs import Run, records
from culpa.tasks.sql import quoted

__all__ = ["Cell", "brief_cells", "cells_of", "images_of", "own_columns", "table_exists"]

LONG = 240  # characters from which a text is folded
LONGEST = 20_000  # characters that are shown at all
MOST_CELLS = 400
BRIEF = 140  # characters of a cell of another row
MOST_BRIEF = 5  # cells of another row


@dataclass(frozen=True)
class Cell:
    """One value, as HTML that is safe to show."""

    name: str
    whole: Markup
    beginning: Markup | None  # of a long text; None: it is short
    blamed: bool


def own_columns(
    connection: duckdb.DuckDBPyConnection, table: str | None, names: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Rows' own columns by row id, for names -> content hash; none where the store keeps no data."""
    if table is None or not names or not table_exists(connection, table):
        return {}
    found = records(
        connection,
        f"SELECT * FROM {quoted(table)} WHERE __row_id IN (SELECT unnest($names))",  # one column: three times as fast
        {"names": list(names)},
    )
    return {
        one["__row_id"]: {name: one[name] for name in one if name not in ("__row_id", "__row_hash")}
        for one in found
        if names[one["__row_id"]] == one["__row_hash"]
    }


def cells_of(
    values: Mapping[str, Any], run: Run, roles: Mapping[str, str], words: Collection[str], blamed: Collection[str]
) -> tuple[tuple[Cell, ...], int]:
    """The cells, texts first, and how many were left out; words to blame are marked in texts, blamed columns too."""
    shown = [name for name in values if name not in (run.label, run.key_column)]
    shown.sort(key=lambda name: (name not in blamed, roles.get(name) != "text"))
    marks = {name: words if roles.get(name, "text") == "text" else () for name in shown}
    cells = tuple(_cell(name, values[name], marks[name], name in blamed) for name in shown[:MOST_CELLS])
    return cells, max(0, len(shown) - MOST_CELLS)


def images_of(values: Mapping[str, Any], run: Run) -> tuple[tuple[str, str], ...]:
    """Column and data URI of each small image."""
    pictures = Pictures(Path(run.source).parent)
    return tuple((name, uri) for name, value in values.items() if (uri := pictures.data_uri(value)))


def brief_cells(values: Mapping[str, Any], run: Run, roles: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The first cells of another row, texts first, shortened."""
    shown = [name for name in values if name not in (run.label, run.key_column) and values[name] is not None]
    shown.sort(key=lambda name: roles.get(name) != "text")
    return tuple((name, _shortened(_text(values[name]), BRIEF)) for name in shown[:MOST_BRIEF])


def _cell(name: str, value: Any, words: Collection[str], blamed: bool) -> Cell:
    if value is None:
        return Cell(name, Markup("<i>missing</i>"), None, blamed)
    text, marks = _shortened(_text(value), LONGEST), list(words)
    beginning = marked(text[:LONG], marks) if len(text) > LONG else None
    return Cell(name, marked(text, marks), beginning, blamed)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes | bytearray):
        value = value["bytes"]
    return f"{len(value):,} bytes" if isinstance(value, bytes | bytearray) else str(value)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def table_exists(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether the store holds this table: of rows whose data stay outside it holds none."""
    return bool(connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [table]).fetchall())
