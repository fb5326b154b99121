"""Excel files of texts that never run: what begins like a formula is stored as a text, and comes back as it was.

The format cannot hold most control characters: like Excel itself, they are written as _x0001_, and a text that only
looks like that as _x005F_x0001_.
"""

import re
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa

from culpa.tasks.errors import BadInput
from culpa.tasks.extras import needed

__all__ = ["read_sheet", "write_sheet"]

MOST_ROWS, MOST_COLUMNS, MOST_LETTERS = 1_048_575, 16_384, 32_767  # of a sheet; the row of names is not counted
MOST_DIGITS = 10**15  # Excel rounds larger whole numbers
RISKY = ("=", "+", "-", "@", "#", "\t", "\r")  # a text that begins so is marked, so that no program takes it for more
_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_x(?=[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def write_sheet(
    path: Path, table: pa.Table, *, open_to_people: Sequence[str], choices: dict[str, Sequence[str]]
) -> None:
    """Write the table as one sheet; columns that people fill in take text, some of them from a list.

    Errors: BadInput for more rows or columns than a sheet takes, and where openpyxl is missing.
    """
    if len(table) > MOST_ROWS or len(table.column_names) > MOST_COLUMNS:
        raise BadInput(
            f"an Excel sheet takes {MOST_ROWS:,} rows and {MOST_COLUMNS:,} columns, these are {len(table):,} and "
            f"{len(table.column_names):,}: use --limit, or let the file end in .parquet"
        )
    excel = needed("openpyxl", "excel", "an .xlsx file")
    book = excel.Workbook(write_only=True)
    sheet = book.create_sheet("review")
    sheet.freeze_panes = "B2"
    for column, words in choices.items():
        letter = excel.utils.get_column_letter(table.column_names.index(column) + 1)
        choice = excel.worksheet.datavalidation.DataValidation(
            "list", formula1=f'"{",".join(words)}"', allow_blank=True
        )
        choice.add(f"{letter}2:{letter}{max(len(table), 1) + 1}")
        sheet.data_validations.append(choice)
    cell = excel.cell.WriteOnlyCell
    sheet.append([_text(cell, sheet, name) for name in table.column_names])
    free = [name in open_to_people for name in table.column_names]
    for batch in table.to_batches():
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            sheet.append([_text(cell, sheet, value, is_free) for value, is_free in zip(values, free, strict=True)])
    book.save(path)


def _text(cell: Any, sheet: Any, value: Any, is_free: bool = False) -> Any:
    """What goes into a cell: numbers as they are, risky texts marked as texts."""
    if (isinstance(value, float) and not isfinite(value)) or (type(value) is int and abs(value) >= MOST_DIGITS):
        value = str(value)
    if not isinstance(value, str):
        return _marked(cell(sheet), None) if is_free and value is None else value
    text = _NOT_XML.sub(lambda found: f"_x{ord(found[0][0]):04X}_" + found[0][1:], value)[:MOST_LETTERS]
    return _marked(cell(sheet), text) if is_free or text.startswith(RISKY) else text


def _marked(one: Any, text: str | None) -> Any:
    one.number_format = "@"  # what is typed there stays a text: 007 and not 7
    if text is not None:
        one.value, one.data_type, one.quotePrefix = text, "s", True
    return one


def read_sheet(path: Path) -> Iterator[list[str | None]]:
    """The first sheet's lines, the names first, every cell as a text; None: nothing in it.

    Errors: BadInput for a formula, whose answer only Excel knows, and where openpyxl is missing.
    """
    book = needed("openpyxl", "excel", "an .xlsx file").load_workbook(path, read_only=True)
    try:
        for line, cells in enumerate(book.worksheets[0].iter_rows(), 1):
            yield [_plain(path, line, cell) for cell in cells]
    finally:
        book.close()


def _plain(path: Path, line: int, cell: Any) -> str | None:
    value = cell.value
    if cell.data_type == "f":
        raise BadInput(f"{path}, line {line}: there is a formula, {value!r}; write its value as a text instead")
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value) if isinstance(value, str) else str(value)
