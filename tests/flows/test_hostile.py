"""Names, labels, keys, cells and paths that would break careless SQL: each works exactly, or is refused at once.

The few that are carried through flag, decide and publish hold many at once; hypothesis looks for more at the cheap end,
where an input is read, named and stored.
"""

import os
import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from culpa.flows.plain import flag
from culpa.tasks.errors import BadInput
from culpa.tasks.ingest import ingest
from culpa.tasks.runs import find_run
from culpa.tasks.settings import read_settings
from culpa.tasks.sql import filled, quoted
from culpa.tasks.store import connect
from culpa.tasks.upkeep.contents import changed_contents
from culpa.tasks.views import stored_columns
from tests.flows.hostile import CHEAPEST, ENDING, ROWS, TEXTS, table_of, through

FEW = settings(
    max_examples=8, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(list(TEXTS.values())),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12),
    st.text("\"'`;-\n\\{}$%/*_ aA", min_size=1, max_size=12),
)


def test_hostile_names_of_columns_and_cells_come_back_as_they_were(tmp_path: Path) -> None:
    texts = list(TEXTS.values())
    given_table = table_of(feature=f'x"{ENDING}', label=f"y\n{ENDING}", key=f"id';\n{ENDING}")
    for place, text in enumerate(texts):
        given_table = given_table.append_column(
            f"my {text}", [[texts[(row + place) % len(texts)] for row in range(ROWS)]]
        )
    found = through(tmp_path, given_table, label=f"y\n{ENDING}", key=f"id';\n{ENDING}", relabel="cat")
    assert found.given.num_columns == 4 + len(TEXTS)


def test_hostile_labels_are_classes_like_any_other(tmp_path: Path) -> None:
    labels = [text for text in TEXTS.values() for _ in range(4)]
    numbers = np.random.default_rng(0).normal(size=len(labels)).tolist()
    given_table = pa.table({"id": [f"r{row}" for row in range(len(labels))], "x": numbers, "label": labels})
    through(tmp_path, given_table, relabel=f"x'{ENDING}")


def test_hostile_keys_name_their_rows(tmp_path: Path) -> None:
    texts = list(TEXTS.values())[:ROWS]
    given_table = table_of().set_column(0, "id", [texts])
    through(tmp_path, given_table, relabel="cat")


@pytest.mark.parametrize("dataset", [f'x"\n{ENDING}\n"', f"it's {{own}} $run {ENDING}", "数据 \u202e🐈 " + "x" * 3_000])
def test_hostile_names_of_data_sets_are_kept(tmp_path: Path, dataset: str) -> None:
    found = through(tmp_path, table_of(), dataset=dataset)
    with connect(found.store, read_only=True) as connection:
        assert connection.execute("SELECT dataset FROM datasets").fetchall() == [(dataset,)]
        assert connection.execute(f"SELECT count(*) FROM {quoted('clean_rows_' + dataset)}").fetchall() == [(ROWS - 1,)]


def test_data_sets_whose_names_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    store = tmp_path / "culpa.duckdb"
    ingest(read_settings(table_of(), label="label", dataset="pets", store=store))
    with pytest.raises(BadInput, match=r"the store has a data set 'pets', which SQL cannot tell from 'PETS'"):
        ingest(read_settings(table_of(), label="label", dataset="PETS", store=store))
    with connect(store, read_only=True) as connection:
        assert connection.execute("SELECT dataset FROM runs").fetchall() == [("pets",)]


def test_hostile_names_of_files_and_folders_are_paths_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / f'it\'s a "folder"{ENDING}\n数据'
    folder.mkdir()
    monkeypatch.chdir(folder)
    pq.write_table(table_of(prefix="other"), "-- 'axb' [.parquet")
    through(Path(), table_of(), source="-- 'a?b' [;].parquet", out='--out;\n"x".parquet')


@pytest.mark.parametrize("odd", ["?", "\\", "\0"])
def test_a_store_that_duckdb_would_look_for_elsewhere_is_refused(tmp_path: Path, odd: str) -> None:
    pq.write_table(table_of(), tmp_path / "pets.parquet")
    with pytest.raises(BadInput, match=r"DuckDB cannot open a file with .* in its path.*name another store"):
        flag(str(tmp_path / "pets.parquet"), label="label", store=tmp_path / f"a{odd}b.duckdb", **CHEAPEST)
    assert os.listdir(tmp_path) == ["pets.parquet"]


def test_labels_that_differ_in_case_or_in_a_space_only_are_different(tmp_path: Path) -> None:
    labels = ["cat", "Cat", "cat ", " cat"] * 8
    numbers = [float(row % 4) + row / 100 for row in range(32)]
    given_table = pa.table({"id": [f"r{row}" for row in range(32)], "x": numbers, "label": labels})
    found = through(tmp_path, given_table, relabel="cat ")
    with connect(found.store, read_only=True) as connection:
        assert set(find_run(connection, found.run_id).classes) == {"cat", "Cat", "cat ", " cat"}


def test_cells_of_a_megabyte_come_back(tmp_path: Path) -> None:
    big = [f"{row}'\";" + chr(97 + row % 26) * 1_000_000 for row in range(ROWS)]
    through(tmp_path, table_of().append_column("big", [big]), ignore=("big",))


def test_a_column_with_a_very_long_name_comes_back(tmp_path: Path) -> None:
    through(tmp_path, table_of(feature='x"' * 50_000))


def test_zero_bytes_in_cells_and_labels_come_back(tmp_path: Path) -> None:
    zeros = [f"a\0{row % 3}" for row in range(ROWS)]
    through(tmp_path, table_of(classes=("c\0t", "d\0g")).append_column("zeros", [zeros]), relabel="c\0t")


def test_zero_bytes_in_names_come_back(tmp_path: Path) -> None:
    names = {"feature": "a\0b", "label": "c\0d", "key": "e\0f"}
    through(tmp_path, table_of(**names), label=names["label"], key=names["key"], dataset="g\0h", relabel="cat")


@pytest.mark.slow
def test_ten_thousand_columns_come_back(tmp_path: Path) -> None:
    """They are carried, neither learnt from nor asked about: that would take minutes."""
    wide = {f"c{place}": [float(row == place % ROWS) for row in range(ROWS)] for place in range(10_000)}
    through(tmp_path, pa.table({**table_of().to_pydict(), **wide}), ignore=tuple(wide), ask=False)


@FEW
@given(names=st.lists(NAMES, min_size=1, max_size=6, unique_by=str.lower), label=NAMES, dataset=NAMES)
def test_any_names_are_kept_or_refused(tmp_path_factory: Any, names: list[str], label: str, dataset: str) -> None:
    columns = {name: [float(row) for row in range(8)] for name in names} | {label: ["a", "b"] * 4}
    check_stored_or_refused(tmp_path_factory.mktemp("any"), pa.table(columns), label, dataset)


@FEW
@given(
    cells=st.lists(st.text(max_size=12), min_size=8, max_size=8),
    classes=st.lists(NAMES, min_size=2, max_size=2, unique=True),
)
def test_any_cells_and_labels_are_kept_or_refused(tmp_path_factory: Any, cells: list[str], classes: list[str]) -> None:
    columns = {"x": list(range(8)), "cell": cells, "label": classes * 4}
    check_stored_or_refused(tmp_path_factory.mktemp("any"), pa.table(columns), "label", "pets")


def check_stored_or_refused(folder: Path, table: pa.Table, label: str, dataset: str) -> None:
    """Either every cell stands in the store under its own name and hash, or nothing at all was written."""
    chosen = {"label": label, "dataset": dataset, "store": folder / "culpa.duckdb", "proxy": "linear"}
    try:
        run_id = ingest(read_settings(table, **chosen)).run_id
    except BadInput:
        assert os.listdir(folder) == []
        return
    with connect(folder / "culpa.duckdb", read_only=True) as connection:
        run = find_run(connection, run_id)
        assert list(stored_columns(connection, run.data_table)) == table.column_names
        chosen_columns = ", ".join(quoted(name) for name in table.column_names)
        stored = connection.execute(f"SELECT {chosen_columns} FROM {quoted(run.data_table)} ORDER BY rowid").fetchall()
        assert list(changed_contents(connection)) == []
    assert sorted(map(repr, stored)) == sorted(repr(tuple(row.values())) for row in table.to_pylist())


def test_no_name_is_put_into_a_comment() -> None:
    """A line break would end it, and what follows would be SQL."""
    name = quoted("x\n; DROP TABLE decisions; --")
    for file in ("identity", "insert_data", "data_views"):
        text = filled(file, **dict.fromkeys(re.findall(r"\{(\w+)\}", filled(file)), name))
        comments = [line for line in text.splitlines() if line.lstrip().startswith("--")]
        assert comments
        assert not any("DROP TABLE" in line for line in comments)


def test_the_ending_would_drop_a_table_if_it_were_not_quoted() -> None:
    """The oracle of the others."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE decisions (x INTEGER)")
        connection.execute(f"SELECT 1 AS {'x' + ENDING}")
        with pytest.raises(duckdb.CatalogException):
            connection.execute("FROM decisions")
