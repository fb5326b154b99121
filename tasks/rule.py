"""The rule: turns scores into tags by one SQL query, culpa's own tags.sql or a user's.

It runs in a database of its own in memory, over the tables scores, proxy_scores and rows of one run, and can change
nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from culpa.tasks.errors import BadInput
from culpa.tasks.sql import statement

NEEDED = {"row_id": "VARCHAR", "memorized": "BOOLEAN", "harmful": "BOOLEAN", "reason": "VARCHAR"}


@dataclass(frozen=True)
class Rule:
    """One SELECT, and the name under which errors speak of it."""

    name: str
    sql: str


def read_rule(path: Path | None) -> Rule:
    """The rule in a user's file, or the one that culpa ships; BadInput unless it is one single query."""
    if path is None:
        return Rule("culpa's own rule", statement("tags"))
    try:
        sql = Path(path).read_text(encoding="utf-8")
        found = duckdb.extract_statements(sql)
    except (OSError, UnicodeDecodeError, duckdb.Error) as error:
        raise BadInput(f"cannot read the rule {path}: {error}") from error
    if len(found) != 1 or found[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(one.type.name for one in found) or "nothing"
        raise BadInput(f"the rule {path} must be one SELECT, got {kinds}: return row_id, memorized, harmful, reason")
    return Rule(f"the rule {path}", sql)


def apply_rule(connection: duckdb.DuckDBPyConnection, rule: Rule, parameters: dict[str, Any]) -> None:
    """Fill the table `tags` of `connection`, one line for each scored row; those that the rule leaves out are neither.

    `connection` holds the tables scores, proxy_scores and rows of the one run; `tags` gets the columns row_id,
    memorized, harmful, corner, tag, reason, droppable.
    Errors: BadInput for an unknown parameter, for SQL that fails, and for columns or row ids that do not fit.
    """
    ruled = _run(connection, rule, parameters)
    _check_columns(rule, dict(zip(ruled.columns, map(str, ruled.types), strict=True)))
    own_tag = "CAST(tag AS VARCHAR)" if "tag" in ruled.columns else "NULL"
    try:
        ruled.project(
            "CAST(row_id AS VARCHAR) AS row_id, coalesce(memorized, false) AS memorized, "
            "coalesce(harmful, false) AS harmful, "
            f"nullif(CAST(reason AS VARCHAR), '') AS reason, {own_tag} AS tag"
        ).create("ruled")
    except duckdb.Error as error:
        raise BadInput(f"{rule.name} fails: {error}") from error
    _check_rows(connection, rule)
    connection.execute(statement("corners"))


def _run(connection: duckdb.DuckDBPyConnection, rule: Rule, parameters: dict[str, Any]) -> duckdb.DuckDBPyRelation:
    wanted = duckdb.extract_statements(rule.sql)[0].named_parameters
    unknown = sorted(wanted - set(parameters))
    if unknown:
        known = ", ".join(f"${name}" for name in parameters)
        raise BadInput(f"{rule.name} asks for ${', $'.join(unknown)}: there are {known}")
    try:
        return connection.sql(rule.sql.strip().rstrip(";"), params={name: parameters[name] for name in sorted(wanted)})
    except duckdb.Error as error:
        raise BadInput(f"{rule.name} fails: {error}") from error


def _check_columns(rule: Rule, found: dict[str, str]) -> None:
    wrong = [
        f"{name} ({found.get(name, 'missing')}, needed {kind})"
        for name, kind in NEEDED.items()
        if name not in found or (kind == "BOOLEAN" and found[name] != "BOOLEAN")
    ]
    if wrong:
        raise BadInput(
            f"{rule.name} returns {', '.join(found)}; it must return {', '.join(NEEDED)}; wrong are {', '.join(wrong)}"
        )


def _check_rows(connection: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    twice = connection.execute(
        "SELECT row_id FROM ruled GROUP BY row_id HAVING count(*) > 1 ORDER BY row_id LIMIT 3"
    ).fetchall()
    if twice:
        raise BadInput(
            f"{rule.name} returns rows more than once ({', '.join(row for (row,) in twice)}): one line for each row"
        )
    unknown = connection.execute(
        "SELECT row_id FROM ruled WHERE row_id NOT IN (SELECT row_id FROM scores) LIMIT 3"
    ).fetchall()
    if unknown:
        raise BadInput(f"{rule.name} returns rows that were not scored ({', '.join(str(row) for (row,) in unknown)})")
