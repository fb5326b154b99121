"""Who a row is: its id, the hash of its content, its group of duplicates, and the fingerprint of the whole table.

* row id: the key as text; without a key, 16 hex digits of the md5 of everything but the label, and the number of the
  occurrence.
* row hash: md5 of the whole content with the columns' names. Another hash under the same id: the row was changed.
* duplicate group: the place of the first row with exactly the same features.

Permuting the rows or the columns of the input changes no id and no hash. Stable over DuckDB's versions, which a test
pins down.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from culpa.tasks.kinds import comparable
from culpa.tasks.profiles import columns_of
from culpa.tasks.sql import filled, quoted


@dataclass(frozen=True)
class Naming:
    """What the columns of a table are to its rows' names."""

    label: str
    key: str | None
    features: Sequence[str]  # the columns that the model sees
    label_text: str  # the label as text, in SQL


def name_rows(connection: duckdb.DuckDBPyConnection, data: str, named: str, naming: Naming) -> None:
    """Name every row of the staged table `data`.

    Makes the table `named`: position, row_id, row_hash, given_label, feature_hash, duplicate_group.
    """
    kinds = columns_of(connection, data)
    content = sorted(name for name in kinds if name not in (naming.label, naming.key))
    features = sorted(naming.features)
    sql = filled(
        "identity",
        data=quoted(data),
        named=quoted(named),
        key="CAST(NULL AS VARCHAR)" if naming.key is None else f"CAST({quoted(naming.key)} AS VARCHAR)",
        content=_sort_key(content, kinds),
        features="CAST(NULL AS VARCHAR)" if features == content else f"md5({_sort_key(features, kinds)})",
        label=naming.label_text,
        label_content=comparable(naming.label, kinds[naming.label]),
    )
    connection.execute(sql, {"names": "\n".join(sorted(kinds))})


def row_hash(kinds: dict[str, str], naming: Naming) -> str:
    """A row's hash as `name_rows` gives it, in SQL over its columns; $names are theirs, sorted, a line each."""
    content = sorted(name for name in kinds if name not in (naming.label, naming.key))
    key = "CAST(NULL AS VARCHAR)" if naming.key is None else f"CAST({quoted(naming.key)} AS VARCHAR)"
    parts = ("$names", f"md5({_sort_key(content, kinds)})", comparable(naming.label, kinds[naming.label]), key)
    return "md5(create_sort_key(" + ", ".join(f"{part}, 'ASC NULLS FIRST'" for part in parts) + "))"


def fingerprint(connection: duckdb.DuckDBPyConnection, named: str, kinds: str) -> str:
    """32 hex digits for the content and order of all rows and the columns' types; paths and times play no part."""
    sql = f"""
        SELECT md5($kinds || ' ' || count(*) || ' ' ||
                   bit_xor(md5_number(position || ' ' || row_id || ' ' || row_hash)))
        FROM {quoted(named)}"""
    digest: str = connection.execute(sql, {"kinds": kinds}).fetchall()[0][0]
    return digest


def _sort_key(columns: Sequence[str], kinds: dict[str, str]) -> str:
    parts = ["'row'", *(comparable(name, kinds[name]) for name in columns)]
    return "create_sort_key(" + ", ".join(f"{part}, 'ASC NULLS FIRST'" for part in parts) + ")"
