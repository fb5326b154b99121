"""The names that columns may have: SQL must be able to tell them apart, from each other and from the store's own."""

from collections.abc import Sequence

from culpa.tasks.errors import BadInput

OURS = ("__row_id", "__row_hash", "rowid")


def check_names(source: str, columns: Sequence[str]) -> None:
    """Refuse two columns of the same name, or of names that differ in case only, and the names that the store needs."""
    seen: dict[str, str] = {}
    for column in columns:
        if (other := seen.get(column.lower())) is not None:
            raise BadInput(
                f"{source} has several columns named {column!r}: rename them"
                if other == column
                else f"{source} has the columns {other!r} and {column!r}, which SQL cannot tell apart: rename one"
            )
        seen[column.lower()] = column
        if column.lower() in OURS:
            raise BadInput(f"{source} has a column {column!r}, a name that the store needs itself: rename it")
