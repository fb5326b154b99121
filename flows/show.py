"""Tables on standard output: aligned text for people, row by row where that is too wide for the terminal, or JSON."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
WIDEST = 60  # characters of one value in an aligned table


def show(records: Sequence[Record], columns: Sequence[str], *, as_json: bool) -> None:
    """Print the records' `columns`."""
    if as_json:
        print(json.dumps(list(records), default=str, indent=2))
        return
    texts = [[_said(record[column]) for column in columns] for record in records]
    widths = [max(map(len, cells)) for cells in zip(columns, *texts, strict=True)]
    fits = not sys.stdout.isatty() or sum(widths) + 2 * len(widths) <= shutil.get_terminal_size().columns
    lines = _aligned(records, columns, texts, widths) if fits else _one_by_one(records, columns)
    print("\n".join(lines))


def _aligned(
    records: Sequence[Record], columns: Sequence[str], texts: Sequence[Sequence[str]], widths: Sequence[int]
) -> list[str]:
    """A header and a line for each record; numbers stand to the right."""
    to_the_right = [all(_is_number(record[column]) for record in records) and bool(records) for column in columns]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, to_the_right, strict=True)
        ).rstrip()
        for line in [columns, *texts]
    ]


def _one_by_one(records: Sequence[Record], columns: Sequence[str]) -> list[str]:
    """A line for each value, a blank line between the records."""
    margin = max(map(len, columns))
    blocks = [
        [f"{column:<{margin}}  {_said(record[column], None)}".rstrip() for column in columns] for record in records
    ]
    return ["\n".join(block) + "\n" for block in blocks]


def _said(value: Any, widest: int | None = WIDEST) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str("" if value is None else value).split())
    return text if widest is None or len(text) <= widest else text[: widest - 1] + "…"


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
