"""One row with all that a person needs to decide on it: what the run says, its cells, its evidence, its decisions.

Rows are read a handful at a time, because each query costs a scan and ten rows cost no more than one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from culpa.tasks.evidence import CELL, WORD
from culpa.tasks.queue.cells import Cell, brief_cells, cells_of, images_of, own_columns
from culpa.tasks.queue.likeness import Likeness
from culpa.tasks.runs import Run, records
from culpa.tasks.sql import statement

__all__ = ["Other", "RowView", "read_roles", "read_rows"]

MOST_OTHERS = 3  # nearest rows of each kind
KINDS = {"outvoted_by": "disagreeing", "harms_reference": "harmed", "helps_reference": "helped"}
Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Other:
    """Another row beside this one."""

    row_id: str
    label: str | None
    value: float | None  # its share of the vote, or the influence on it; None: it is only near
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RowView:
    """A row as the page shows it."""

    said: dict[str, Any]  # what the run says of it: labels, probabilities, tag, reason
    run: Run
    cells: tuple[Cell, ...]
    cells_left_out: int
    images: tuple[tuple[str, str], ...]  # column and data URI
    words: tuple[str, ...]  # words and columns to blame
    others: Mapping[str, tuple[Other, ...]]  # agreeing, disagreeing, harmed, helped
    decisions: Records  # the newest first
    keeps_data: bool


def read_roles(connection: duckdb.DuckDBPyConnection, run: Run) -> dict[str, str]:
    """What each column of a run was read as."""
    found = connection.execute("SELECT columns FROM runs WHERE run_id = ?", [run.run_id]).fetchall()
    return {one["name"]: one["role"] for one in json.loads(found[0][0])}


def read_rows(
    connection: duckdb.DuckDBPyConnection, run: Run, row_ids: Sequence[str], likeness: Likeness | None
) -> dict[str, RowView]:
    """Some rows of one run, by their ids."""
    asked = {"row_ids": list(row_ids)}
    judged = records(connection, statement("queue/judged"), {**asked, "run_id": run.run_id})
    of_run = {**asked, "run_id": run.run_id, "dataset": run.dataset}
    evidence = _by_row(records(connection, statement("queue/evidence"), of_run))
    decisions = _by_row(records(connection, statement("queue/decisions"), {**asked, "dataset": run.dataset}))
    roles = read_roles(connection, run)
    hashes = {one["row_id"]: one["row_hash"] for one in judged}
    own = own_columns(connection, run.data_table, hashes | _others_of(connection, "rows", run, evidence))
    trusted = own_columns(connection, run.reference_table, _others_of(connection, "reference_rows", run, evidence))
    views = {}
    for said in judged:
        row, lines = said["row_id"], evidence.get(said["row_id"], [])
        words = tuple(one["word"] for one in lines if one["kind"] == WORD)
        blamed = tuple(one["word"] for one in lines if one["kind"] == CELL)
        shown, left_out = cells_of(own.get(row, {}), run, roles, words, blamed)
        images = images_of(own.get(row, {}), run)
        pictured = {name for name, _ in images}
        views[row] = RowView(
            said=said,
            run=run,
            cells=tuple(cell for cell in shown if cell.name not in pictured),
            cells_left_out=left_out,
            images=images,
            words=(*words, *blamed),
            others=_named(lines, own, trusted, run, roles) | _near(said, own.get(row), run, roles, likeness, lines),
            decisions=decisions.get(row, []),
            keeps_data=row in own,
        )
    return views


def _by_row(lines: Records) -> dict[str, Records]:
    found: dict[str, Records] = {}
    for line in lines:
        found.setdefault(line["row_id"], []).append(line)
    return found


def _others_of(
    connection: duckdb.DuckDBPyConnection, table: str, run: Run, evidence: Mapping[str, Records]
) -> dict[str, str]:
    """Names and content hashes of the rows that the evidence names, from `rows` or from `reference_rows`."""
    names = {
        one["other_row_id"]
        for lines in evidence.values()
        for one in lines
        if one["other_row_id"] is not None and one["other_is_reference"] == (table == "reference_rows")
    }
    if not names:
        return {}
    found = connection.execute(
        f"""SELECT r.row_id, arg_max(r.row_hash, u.turn) FROM {table} r JOIN current_runs u ON u.run_id = r.run_id
            WHERE u.dataset = $dataset AND r.row_id IN (SELECT unnest($names)) GROUP BY r.row_id""",
        {"dataset": run.dataset, "names": list(names)},
    )
    return dict(found.fetchall())


def _named(
    lines: Records,
    own: Mapping[str, dict[str, Any]],
    trusted: Mapping[str, dict[str, Any]],
    run: Run,
    roles: Mapping[str, str],
) -> dict[str, tuple[Other, ...]]:
    """The rows that the evidence names, by what it says of them."""
    found: dict[str, tuple[Other, ...]] = {}
    for one in lines:
        kind, name = KINDS.get(one["kind"]), one["other_row_id"]
        if kind is not None and name is not None:
            values = (trusted if one["other_is_reference"] else own).get(name, {})
            other = Other(name, one["other_label"], one["value"], brief_cells(values, run, roles))
            found[kind] = (*found.get(kind, ()), other)
    return found


def _near(
    said: dict[str, Any],
    values: Mapping[str, Any] | None,
    run: Run,
    roles: Mapping[str, str],
    likeness: Likeness | None,
    lines: Records,
) -> dict[str, tuple[Other, ...]]:
    """The nearest rows with the same label, and, where no evidence names such, with another label."""
    if likeness is None or values is None:
        return {}
    same = likeness.labels == said["given_label"]
    allowed = {"agreeing": same, "disagreeing": ~same}
    if run.task == "regression":
        allowed = {"nearest": np.ones(len(same), np.bool_)}
    if any(KINDS.get(one["kind"]) == "disagreeing" for one in lines):
        allowed.pop("disagreeing", None)
    return {
        kind: tuple(
            Other(
                likeness.row_ids[place],
                likeness.labels[place],
                None,
                brief_cells(likeness.values(place), run, roles),
            )
            for place in places
        )
        for kind, places in likeness.nearest(said["row_id"], values, allowed, MOST_OTHERS).items()
    }
