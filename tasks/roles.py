"""What part each column plays: numeric, boolean, categorical, text or timestamp, or left out, and why.

Left out are the label, the key, what the user ignores, identifiers, constants, empty columns and nested types.
Everything left out still stands in the store and in the cleaned table; it only is not shown to the model. The user's
word beats every guess.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from culpa.tasks.errors import BadInput
from culpa.tasks.kinds import Role, as_role
from culpa.tasks.memory_tables import override
from culpa.tasks.profiles import Profile, is_unique
from culpa.tasks.remarks import Remark, note, warning
from culpa.tasks.sql import quoted

NAMED_LIKE_AN_ID = re.compile(
    r"(?i:(^|[_\W])(id|ids|uuid|guid|key|index|rowid|row_?(number|num|no|nr))$|^unnamed: ?\d+$)|[a-z](Id|ID|Key|Uuid)$"
)
NUMBERS_IN_TEXT = "text that holds only numbers"
ENOUGH = 20  # values from which being all different means something
MOSTLY = 0.8  # share of numbers from which a text column read from CSV is a number column with odd values


@dataclass(frozen=True)
class Column:
    """One column of the input and its part."""

    name: str
    type: str  # DuckDB's type
    role: str  # a Role where used; else label, key, ignored, identifier, constant, empty or nested
    used: bool
    reason: str  # why it has this role


def infer(connection: duckdb.DuckDBPyConnection, table: str, profile: Profile, declared: bool) -> Column:
    """The part of a column that the user said nothing about; `declared` = the source itself knows its type."""
    left_out = _left_out(connection, table, profile)
    if left_out:
        return Column(profile.name, profile.kind, left_out[0], False, left_out[1])
    if profile.family == "json" or (profile.kind == "VARCHAR" and not declared):
        _check_one_type(connection, table, profile)
    role, reason = _role(profile)
    return Column(profile.name, profile.kind, role, True, reason)


def chosen(connection: duckdb.DuckDBPyConnection, table: str, profile: Profile, role: Role) -> Column:
    """The part that the user chose; BadInput if the column cannot play it."""
    if profile.family in ("nested", "bytes") or (profile.family == "json" and role not in ("categorical", "text")):
        raise BadInput(
            f"column {profile.name!r} has the type {profile.kind} and cannot be read as {role}: turn it into plain "
            "columns first"
        )
    name = quoted(profile.name)
    value = as_role(name, profile.kind, role)
    sql = f"SELECT any_value({name}), count(*) FROM {quoted(table)} WHERE {name} IS NOT NULL AND {value} IS NULL"
    example, odd = connection.execute(sql).fetchall()[0]
    if odd:
        raise BadInput(
            f"column {profile.name!r} cannot be read as {role}: {odd:,} values are none, such as {example!r}"
        )
    if profile.filled == 0:
        return Column(profile.name, profile.kind, "empty", False, "no value at all")
    return Column(profile.name, profile.kind, role, True, "chosen by the user")


def remarks(columns: Sequence[Column]) -> tuple[Remark, ...]:
    """What was left out by a guess, one remark for each reason: a warning for empty columns, notes for the others."""
    found = []
    for role in ("empty", "identifier", "constant", "nested"):
        same = [column for column in columns if column.role == role]
        for reason in dict.fromkeys(column.reason for column in same):
            names = [column.name for column in same if column.reason == reason]
            say = warning if role == "empty" else note
            found.append(say(f"{role}_column", f"{_columns(names)} left out: {reason}", len(names)))
    texts = [column.name for column in columns if column.used and column.reason == NUMBERS_IN_TEXT]
    if texts:
        found.append(
            note("numbers_in_text", f"{_columns(texts)} read as numeric: {NUMBERS_IN_TEXT}; --categorical overrules")
        )
    return tuple(found)


def _columns(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"column {shown} is" if len(names) == 1 else f"columns {shown}{more} are"


def _left_out(connection: duckdb.DuckDBPyConnection, table: str, profile: Profile) -> tuple[str, str] | None:
    if profile.filled == 0:
        return "empty", "no value at all"
    if profile.family == "nested" or (profile.family == "json" and _is_nested_json(connection, table, profile)):
        return "nested", f"the type {profile.kind} is nested or unknown; turn it into plain columns to use it"
    if profile.family == "bytes":
        return "nested", f"the type {profile.kind} holds bytes that no model here reads"
    if profile.constant and profile.filled == profile.rows:
        return "constant", "the same value in every row"
    if profile.family == "uuid":
        return "identifier", "a UUID names a row and says nothing about it; --categorical overrules"
    if _may_be_identifier(profile) and is_unique(connection, table, profile):
        return (
            "identifier",
            "every row has a value of its own, as an identifier has; --numeric, --categorical or --text overrules",
        )
    return None


def _may_be_identifier(profile: Profile) -> bool:
    named = bool(NAMED_LIKE_AN_ID.search(profile.name))
    if profile.family == "integer":
        dense = profile.high - profile.low + 1 == profile.rows
        return named or (dense and profile.rows >= ENOUGH)
    if profile.kind == "VARCHAR":
        if profile.numbers == profile.filled and profile.pointed:
            return False
        return profile.spaced == 0 and profile.ascii and (named or profile.rows >= ENOUGH)
    return False


def _role(profile: Profile) -> tuple[Role, str]:
    if profile.family == "boolean":
        return "boolean", profile.kind
    if profile.family == "time":
        return "timestamp", profile.kind
    if profile.family in ("integer", "float", "duration"):
        return "numeric", profile.kind
    if profile.numbers == profile.filled and profile.distinct > ENOUGH:
        return "numeric", NUMBERS_IN_TEXT
    return _role_of_text(profile)


def _role_of_text(profile: Profile) -> tuple[Role, str]:
    """Sentences that hardly ever repeat are text, words that repeat are categories."""
    share = profile.distinct / max(profile.filled, 1)
    unspaced = not profile.ascii and profile.length >= 10  # scripts that write no spaces
    wordy = profile.words >= 3 or profile.length >= 30 or ((profile.words >= 1.5 or unspaced) and share > 0.9)
    if (wordy and share > 0.5) or (profile.words >= 8 and profile.distinct > 100):
        return "text", f"{profile.words:.1f} words a value, about {share:.0%} of the values differ"
    return "categorical", f"about {profile.distinct:,} different values"


def _check_one_type(connection: duckdb.DuckDBPyConnection, table: str, profile: Profile) -> None:
    """Refuse numbers with odd texts among them, as a slip or an unusual mark for missing values makes them."""
    name = quoted(profile.name)
    number, value = f"TRY_CAST({name} AS DOUBLE)", name
    if profile.family == "json":
        value = f"({name} ->> '$')"
        number = f"CASE WHEN json_type({name}) <> 'VARCHAR' THEN {value} END"
    found = connection.execute(
        f"""SELECT count({number}), any_value({value}) FILTER ({number} IS NOT NULL),
                   any_value({value}) FILTER ({number} IS NULL), count(DISTINCT {value}) FILTER ({number} IS NULL)
            FROM {quoted(table)} WHERE {name} IS NOT NULL"""
    ).fetchall()
    numbers, a_number, a_text, texts = found[0]
    if not (
        MOSTLY * profile.filled <= numbers < profile.filled
        or (profile.family == "json" and 0 < numbers < profile.filled)
    ):
        return
    raise BadInput(
        f"column {profile.name!r} mixes types: {numbers:,} numbers such as {a_number}, "
        f"and {profile.filled - numbers:,} texts such as {a_text!r} ({texts:,} different); "
        f"mend them, leave the field empty where they mean missing, or {override(profile.name)}"
    )


def _is_nested_json(connection: duckdb.DuckDBPyConnection, table: str, profile: Profile) -> bool:
    sql = f"SELECT count(*) FROM {quoted(table)} WHERE json_type({quoted(profile.name)}) IN ('OBJECT', 'ARRAY')"
    return bool(connection.execute(sql).fetchall()[0][0])
