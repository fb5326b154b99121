"""Evidence for flagged rows: reference rows each harms or helps, training rows that outvote its label, words to blame.

It is what a reviewer looks at, so only the rows that a person may look at get it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from culpa.influence.assess import Evidence
    from culpa.tasks.train import Prepared

MOST_OTHERS = 5  # other rows, or words, named for each row and kind
WORD, CELL = "blamed_word", "blamed_cell"
SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("kind", pa.string()),
        ("rank", pa.int32()),
        ("other_row_id", pa.string()),
        ("other_is_reference", pa.bool_()),
        ("value", pa.float64()),
        ("word", pa.string()),
    ]
)


def find_evidence_of(folder: Path, row_ids: Sequence[str]) -> pa.Table:
    """The table `evidence` (without run_id) for these rows, from the trained proxies in the run's work folder."""
    if not row_ids:
        return SCHEMA.empty_table()
    from culpa.influence.assess import find_evidence  # the proxies' libraries, only for runs that need them
    from culpa.tasks.prepare import columns_of_features
    from culpa.tasks.train import load_prepared

    prepared = load_prepared(folder)
    place = {row_id: position for position, row_id in enumerate(prepared.row_ids)}
    index = np.array([place[row_id] for row_id in row_ids if row_id in place], dtype=np.int64)  # others are carried on
    if not len(index):
        return SCHEMA.empty_table()
    names, columns = columns_of_features(folder)
    asked: dict[str, Any] = {"reference": prepared.reference, "columns": columns, "most": MOST_OTHERS}
    return _table(find_evidence(prepared.trained, prepared.rows, index, **asked), prepared, names)


def _table(found: Sequence["Evidence"], prepared: "Prepared", columns: Sequence[str]) -> pa.Table:
    trusted = [prepared.reference is not None and one.kind.endswith("_reference") for one in found]
    lines = {
        "row_id": [str(prepared.row_ids[one.row]) for one in found],
        "kind": [one.kind for one in found],
        "rank": _ranks(found),
        "other_row_id": [_name(prepared, one, known) for one, known in zip(found, trusted, strict=True)],
        "other_is_reference": trusted,
        "value": [float(one.value) for one in found],
        "word": [_word(prepared, one, columns) for one in found],
    }
    return pa.table(lines, schema=SCHEMA)


def _word(prepared: "Prepared", one: "Evidence", columns: Sequence[str]) -> str | None:
    """A word of the row's texts, or the name of a column."""
    if one.kind == CELL:
        return columns[one.other]
    return prepared.words[one.other] if one.kind == WORD else None


def _name(prepared: "Prepared", one: "Evidence", trusted: bool) -> str | None:
    if one.kind in (WORD, CELL):
        return None
    names: NDArray[Any] | None = prepared.reference_ids if trusted else prepared.row_ids
    assert names is not None
    return str(names[one.other])


def _ranks(found: Sequence["Evidence"]) -> list[int]:
    """1, 2, ... within each row and kind, in the order of the evidence."""
    seen: dict[tuple[int, str], int] = {}
    ranks = []
    for one in found:
        key = (int(one.row), one.kind)
        seen[key] = seen.get(key, 0) + 1
        ranks.append(seen[key])
    return ranks
