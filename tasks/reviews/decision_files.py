"""Files with people's decisions: CSV, Parquet and Excel, read as one table of texts.

A CSV file that culpa wrote has an apostrophe before each text that a spreadsheet would run as a formula; it is taken
off again here.
"""

import csv
import gzip
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from culpa.tasks.errors import BadInput
from culpa.tasks.reviews.spreadsheet import read_sheet

__all__ = ["COLUMNS", "ENDINGS", "PROPOSALS", "proposals_of", "read_decisions"]

COLUMNS = ("row_id", "decision", "new_label", "reviewed_by", "note")
CARRIED = ("dataset", "row_hash", "exported_at")  # what an exported file says of the row as the person saw it
PROPOSALS = pa.schema([("line", pa.int64()), *((name, pa.string()) for name in (*COLUMNS, *CARRIED))])
ENDINGS = (".csv", ".csv.gz", ".parquet", ".xlsx")
_GUARDED = re.compile(r"'(?='*[=+\-@\t\r\n])")

Line = list[str | None]


def proposals_of(columns: Mapping[str, Sequence[str | None]]) -> pa.Table:
    """A table of proposals: the columns given, NULL for the others, lines numbered from 1."""
    count = len(columns["row_id"])
    given = [columns.get(name, [None] * count) for name in PROPOSALS.names[1:]]
    return pa.table(list(map(pa.array, [range(1, count + 1), *given], PROPOSALS.types)), schema=PROPOSALS)


def read_decisions(path: Path, by: str | None, *, exported: bool = False) -> pa.Table:
    """The lines that decide something, as PROPOSALS; `by` stands where reviewed_by is missing or empty.

    `exported`: a file from `culpa review export`, with many more columns, and lines that are still empty.
    Errors: BadInput for a file that cannot be read, and for missing or unknown columns.
    """
    try:
        lines = _lines(path)
        names = [name or "" for name in next(lines, [])]
        _check_names(path, names, exported)
        found = list(_chosen(lines, names))
    except UnicodeError as error:
        raise BadInput(
            f"cannot read decisions from {path}: it is not in UTF-8; in Excel, save it as CSV UTF-8 or as .xlsx"
        ) from error
    except (OSError, csv.Error, pa.ArrowException, ValueError, KeyError, EOFError) as error:
        raise BadInput(f"cannot read decisions from {path}: {error}") from error
    kept = [
        (number, line) for number, line in enumerate(found, 2) if not exported or line["decision"] or line["new_label"]
    ]
    for _, line in kept:
        line["decision"] = line["decision"] and line["decision"].strip().lower()
        line["reviewed_by"] = line["reviewed_by"] or by
    columns = [[number for number, _ in kept], *([line[name] for _, line in kept] for name in PROPOSALS.names[1:])]
    return pa.table(list(map(pa.array, columns, PROPOSALS.types)), schema=PROPOSALS)


def _lines(path: Path) -> Iterator[Line]:
    """The names of the columns, then the rows."""
    name = path.name.lower()
    if not name.endswith(ENDINGS):
        raise BadInput(f"cannot read decisions from {path}: its name must end in one of {', '.join(ENDINGS)}")
    if name.endswith(".parquet"):
        return _parquet(path)
    return _sheet(path) if name.endswith(".xlsx") else _csv(path)


def _csv(path: Path) -> Iterator[Line]:
    csv.field_size_limit(sys.maxsize)
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        lines = (line for line in csv.reader(file, delimiter=_delimiter(first), strict=True) if line)
        names = next(lines, [])
        yield list(names)
        guarded = "exported_at" in names
        for line in lines:
            yield [one[1:] if guarded and _GUARDED.match(one) else one for one in line]


def _delimiter(first: str) -> str:
    """Comma, or what Excel writes in countries where the comma is the decimal point."""
    after = re.match(r'"?row_id"?([,;\t])', first)
    return after[1] if after else max(",;\t", key=first.count)


def _parquet(path: Path) -> Iterator[Line]:
    names = list(pq.read_schema(path).names)
    yield list(names)
    table = pq.read_table(path, columns=[name for name in names if name in PROPOSALS.names])
    known = {name: table[name].cast(pa.string()).to_pylist() for name in table.column_names}
    nothing = [None] * len(table)
    yield from map(list, zip(*(known.get(name, nothing) for name in names), strict=True))


def _sheet(path: Path) -> Iterator[Line]:
    from zipfile import BadZipFile

    try:
        yield from read_sheet(path)
    except BadZipFile as error:
        raise BadInput(f"cannot read decisions from {path}: it is no Excel file") from error


def _chosen(lines: Iterator[Line], names: list[str]) -> Iterator[dict[str, str | None]]:
    """Of each line what decides; an empty text is none."""
    place = {name: names.index(name) for name in PROPOSALS.names[1:] if name in names}
    for line in lines:
        yield {
            name: (line[place[name]] or None) if name in place and place[name] < len(line) else None
            for name in PROPOSALS.names[1:]
        }


def _check_names(path: Path, names: list[str], exported: bool) -> None:
    if exported:
        missing = {"row_id", "decision", *CARRIED} - set(names)
        if missing:
            raise BadInput(
                f"{path} lacks the columns {', '.join(sorted(missing))}: needed is a file that `culpa review export` "
                "wrote; `culpa decide FILE` reads decisions alone"
            )
    elif {"row_id", "decision"} - set(names) or set(names) - set(COLUMNS):
        cure = "; `culpa review import` reads exported files" if "exported_at" in names else ""
        raise BadInput(
            f"{path} has the columns {', '.join(names)}: needed row_id and decision, "
            f"allowed beside them new_label, reviewed_by, note{cure}"
        )
