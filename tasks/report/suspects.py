"""The most suspicious rows as a reviewer wants to see them: own columns, images, and the evidence against them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from markupsafe import Markup

from culpa.tasks.evidence import CELL, WORD
from culpa.tasks.report.images import Pictures
from culpa.tasks.report.marked import marked
from culpa.tasks.runs import Run, records
from culpa.tasks.sql import quoted, statement

__all__ = ["MOST_SUSPECTS", "Suspect", "read_suspects"]

MOST_SUSPECTS = 20
MOST_COLUMNS = 12  # of a row's own, texts first
MOST_BESIDE_IMAGES = 6
LONGEST = 700  # characters of one text
EVIDENCE = {
    "outvoted_by": "Outvoted by (share of the vote)",
    "harms_reference": "Harms most (influence)",
    "helps_reference": "Helps most (influence)",
    WORD: "Words to blame (influence)",
    CELL: "Cells that speak for the suggested label (nats)",
}


@dataclass(frozen=True)
class Suspect:
    """One row and what speaks against it."""

    row: dict[str, Any]  # its scores, tag, reason, outcome
    cells: tuple[tuple[str, Markup], ...]  # name and value of its own columns, escaped, words to blame marked
    columns_left_out: int
    images: tuple[tuple[str, str], ...]  # column and data URI
    evidence: tuple[tuple[str, tuple[dict[str, Any], ...]], ...]  # heading, lines


def read_suspects(connection: duckdb.DuckDBPyConnection, run: Run) -> tuple[Suspect, ...]:
    """The rows of the prepared run that a person should look at first."""
    rows = records(connection, statement("report/suspects"), {"most": MOST_SUSPECTS})
    names = [row["row_id"] for row in rows]
    own = _own_columns(connection, run, rows)
    evidence = records(connection, statement("report/evidence"), {"run_id": run.run_id, "row_ids": names})
    roles, pictures = _roles(connection, run), Pictures(Path(run.source).parent)
    return tuple(
        _suspect(row, own.get(row["row_id"], {}), [one for one in evidence if one["row_id"] == row["row_id"]], roles,
                 pictures)
        for row in rows
    )  # fmt: skip


def _own_columns(
    connection: duckdb.DuckDBPyConnection, run: Run, rows: list[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The rows' own columns by row id, without the label and the key, which are shown anyway."""
    table = quoted(run.data_table)
    found = records(
        connection,
        f"SELECT * FROM {table} WHERE list_contains($names, __row_id) AND list_contains($hashes, __row_hash)",
        {"names": [row["row_id"] for row in rows], "hashes": [row["row_hash"] for row in rows]},
    )
    known = {run.label, run.key_column, "__row_id", "__row_hash"}
    return {one["__row_id"]: {name: value for name, value in one.items() if name not in known} for one in found}


def _roles(connection: duckdb.DuckDBPyConnection, run: Run) -> dict[str, str]:
    """What each column was read as: text, numeric and so on."""
    found = connection.execute("SELECT columns FROM runs WHERE run_id = ?", [run.run_id]).fetchall()
    return {one["name"]: one["role"] for one in json.loads(found[0][0])}


def _suspect(
    row: dict[str, Any],
    own: Mapping[str, Any],
    evidence: list[dict[str, Any]],
    roles: Mapping[str, str],
    pictures: Pictures,
) -> Suspect:
    images = tuple((name, uri) for name, value in own.items() if (uri := pictures.data_uri(value)))
    pictured = {name for name, _ in images}
    words = [one["word"] for one in evidence if one["kind"] == WORD]
    shown = sorted((name for name in own if name not in pictured), key=lambda name: roles.get(name) != "text")
    most = MOST_BESIDE_IMAGES if images else MOST_COLUMNS
    return Suspect(
        row=row,
        cells=tuple((name, _cell(own[name], words, roles.get(name, "text"))) for name in shown[:most]),
        columns_left_out=max(0, len(shown) - most),
        images=images,
        evidence=_grouped(evidence),
    )


def _cell(value: Any, words: list[str], role: str) -> Markup:
    """A value as HTML; words are marked where they were read."""
    if value is None:
        return Markup("<i>missing</i>")
    if isinstance(value, float):
        return Markup.escape(f"{value:.6g}")
    text = f"{len(value):,} bytes" if isinstance(value, bytes | bytearray) else str(value)
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return marked(text, words if role == "text" else [])


def _grouped(evidence: list[dict[str, Any]]) -> tuple[tuple[str, tuple[dict[str, Any], ...]], ...]:
    """Evidence by kind, the kinds we know first."""
    kinds = list(dict.fromkeys([*EVIDENCE, *(one["kind"] for one in evidence)]))
    grouped = ((kind, tuple(one for one in evidence if one["kind"] == kind)) for kind in kinds)
    return tuple((EVIDENCE.get(kind, kind.replace("_", " ")), lines) for kind, lines in grouped if lines)
