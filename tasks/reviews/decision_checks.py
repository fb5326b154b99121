"""What proposed decisions must be before any of them is written: said of all at once, by row or by line."""

import duckdb
import pyarrow as pa

from culpa.tasks.errors import BadInput
from culpa.tasks.row_names import nearest_rows
from culpa.tasks.sql import statement

__all__ = ["DECISIONS", "check_labels", "check_rows", "check_words", "refuse"]

DECISIONS = ("keep", "drop", "relabel", "defer")
SHOWN = 5  # complaints named in one message


def check_words(proposals: pa.Table, what: str) -> None:
    """Refuse an unknown decision, a new label too many or too few, and a decision that nobody answers for."""
    complaints: list[str] = []
    for one in proposals.to_pylist():
        place = f"{what} {one['line'] if what == 'line' else repr(one['row_id'])}"
        if one["decision"] not in DECISIONS:
            complaints.append(f"{place}: the decision is {one['decision']!r}, needed one of {', '.join(DECISIONS)}")
        elif (one["decision"] == "relabel") != (one["new_label"] is not None):
            complaints.append(
                f"{place}: relabel needs a new label, and only relabel takes one; got {one['new_label']!r}"
            )
        if not (one["reviewed_by"] or "").strip():
            complaints.append(f"{place}: nobody answers for it; give a name with --by or in the column reviewed_by")
    if not len(proposals):
        complaints.append("no row to decide on was given")
    refuse(complaints)


def check_rows(connection: duckdb.DuckDBPyConnection, dataset: str | None) -> None:
    """Refuse rows that are not there, and rows of several data sets; what is proposed lies in the table `proposed`."""
    if not connection.execute(
        "SELECT 1 FROM latest_runs WHERE dataset = coalesce($1, dataset) LIMIT 1", [dataset]
    ).fetchall():
        which = f" of the data set {dataset!r}" if dataset else ""
        raise BadInput(
            f"there is no flagged run{which} in this store yet: flag the data first, then decide on its rows"
        )
    unknown = connection.execute(
        "SELECT DISTINCT row_id FROM proposed WHERE dataset IS NULL ORDER BY row_id"
    ).fetchall()
    if unknown:
        named = [f"{row!r} (nearest: {nearest_rows(connection, row, dataset)})" for (row,) in unknown[:SHOWN]]
        raise BadInput(f"{len(unknown)} unknown rows: {', '.join(named)}; nothing was written")
    shared = connection.execute(
        """SELECT row_id, string_agg(dataset, ', ' ORDER BY dataset) FROM proposed
           GROUP BY line, row_id HAVING count(*) > 1 LIMIT 1"""
    ).fetchall()
    if shared:
        raise BadInput(f"row {shared[0][0]!r} lies in several data sets ({shared[0][1]}): name one with --dataset")


def check_labels(connection: duckdb.DuckDBPyConnection, what: str) -> None:
    """Refuse new labels that cannot be, and to touch trusted rows."""
    refused = connection.execute(statement("reviews/refused_decisions")).fetchall()
    refuse([_complaint(f"{what} {line if what == 'line' else repr(row)}", *rest) for line, row, *rest in refused])


def _complaint(place: str, new_label: str | None, classes: list[str], is_trusted: bool) -> str:
    if is_trusted:
        return f"{place}: the row is one of the trusted reference rows; take it out of that file instead"
    return f"{place}: the new label {new_label!r} is no {_label_kind(classes)}"


def _label_kind(classes: list[str]) -> str:
    return f"class of this data set ({', '.join(classes[:20])})" if classes else "number"


def refuse(complaints: list[str]) -> None:
    """BadInput with the first few of the complaints, if there are any."""
    if complaints:
        more = f" and {len(complaints) - SHOWN} more like these" if len(complaints) > SHOWN else ""
        raise BadInput("; ".join(complaints[:SHOWN]) + more + "; nothing was written")
