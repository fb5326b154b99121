"""Sources: every format gives the same rows, in the input's order, with a schema that can be given back."""

import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from culpa.tasks.publishing.restore import restored, select_list
from culpa.tasks.runs import find_run
from tests.tasks.tables import animals, ask, ingested, saved

FORMATS = ["a.parquet", "a.csv", "a.csv.gz", "a.tsv", "a.tsv.gz", "a.jsonl", "a.jsonl.gz", "a.duckdb"]


def stored(folder: Path, columns: str = "*") -> pd.DataFrame:
    """The data of the only run in the input's order."""
    [(table,)] = ask(folder, "SELECT data_table FROM runs")
    with duckdb.connect(folder / "culpa.duckdb", read_only=True) as connection:
        return connection.execute(
            f"""SELECT {columns} FROM (SELECT d.* EXCLUDE (__row_id, __row_hash), r.position FROM rows r JOIN {table} d
                ON d.__row_id = r.row_id AND d.__row_hash = r.row_hash) ORDER BY position"""
        ).df()


def given_back(folder: Path) -> pa.Table:
    """The only run's data in the types of the input, as a publish gives them."""
    with duckdb.connect(folder / "culpa.duckdb", read_only=True) as connection:
        run = find_run(connection, connection.execute("SELECT run_id FROM runs").fetchall()[0][0])
        names = [n for n, *_ in connection.execute(f"DESCRIBE {run.data_table}").fetchall() if not n.startswith("__")]
        columns = select_list(run.schema, names, {})
        found = connection.sql(
            f"""SELECT {columns} FROM rows r JOIN {run.data_table} data
                ON data.__row_id = r.row_id AND data.__row_hash = r.row_hash ORDER BY r.position"""
        ).to_arrow_table()
    return restored(found, run.schema)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows_in_the_inputs_order(tmp_path: Path, name: str) -> None:
    frame = animals()
    ingested(saved(frame, tmp_path / name), tmp_path)
    found = stored(tmp_path)
    assert found["animal"].tolist() == frame["animal"].tolist()
    assert found["legs"].tolist() == frame["legs"].tolist()
    assert np.allclose(found["weight"], frame["weight"], rtol=1e-12)


def test_text_formats_give_the_same_row_ids_as_each_other(tmp_path: Path) -> None:
    names = []
    for name in ("a.csv", "b.tsv.gz", "c.parquet", "d.duckdb"):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        ingested(saved(animals(), folder / name), folder)
        names.append(ask(folder, "SELECT row_id, row_hash FROM rows ORDER BY position"))
    assert names[0] == names[1] == names[2] == names[3]


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars-like stream"])
def test_tables_in_memory_are_sources(tmp_path: Path, kind: str) -> None:
    class Stream:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pa.Table.from_pandas(animals()).__arrow_c_stream__(requested_schema)

    source = {"pandas": animals(), "arrow": pa.Table.from_pandas(animals())}.get(kind, Stream())
    assert ingested(source, tmp_path).rows == 60
    assert stored(tmp_path)["animal"].tolist() == animals()["animal"].tolist()


def test_a_glob_reads_its_files_by_name_and_finds_columns_by_name(tmp_path: Path) -> None:
    frame = animals()
    saved(frame[:20], tmp_path / "part-1.parquet")
    saved(frame[20:][frame.columns[::-1]], tmp_path / "part-2.parquet")
    assert ingested(tmp_path / "part-*.parquet", tmp_path, out=tmp_path / "clean.parquet").rows == 60
    assert np.allclose(stored(tmp_path)["weight"], frame["weight"])


def test_a_folder_is_read_with_the_columns_that_its_partitions_name(tmp_path: Path) -> None:
    for year in (2023, 2024):
        place = tmp_path / "data" / f"year={year}"
        place.mkdir(parents=True)
        saved(animals(30), place / "rows.parquet")
    ingested(tmp_path / "data", tmp_path)
    assert stored(tmp_path)["year"].tolist() == [2023] * 30 + [2024] * 30
    assert given_back(tmp_path).schema.names == [*animals().columns, "year"]


def test_files_of_a_folder_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    from culpa.tasks.errors import BadInput

    (tmp_path / "data").mkdir()
    saved(animals(), tmp_path / "data" / "1.parquet")
    saved(animals().assign(weight="heavy"), tmp_path / "data" / "2.parquet")
    with pytest.raises(BadInput, match=r"the 2 files of .* do not fit together: .*weight"):
        ingested(tmp_path / "data", tmp_path)


def test_a_query_of_a_duckdb_file_is_a_source(tmp_path: Path) -> None:
    file = saved(animals(), tmp_path / "zoo.duckdb")
    found = ingested(file, tmp_path, table="SELECT * FROM animals WHERE animal <> 'emu';")
    assert (found.rows, found.classes) == (40, ("cat", "dog"))


def test_the_order_of_a_large_input_is_kept(tmp_path: Path) -> None:
    rows = 300_000
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=rows), "animal": ["cat", "dog"] * (rows // 2)})
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "a.parquet", row_group_size=10_000)
    ingested(tmp_path / "a.parquet", tmp_path)
    assert np.array_equal(stored(tmp_path, "x")["x"], frame["x"])


def test_a_named_index_is_a_column_and_an_unnamed_one_is_not(tmp_path: Path) -> None:
    frame = animals().sample(frac=1, random_state=0)
    assert "__index_level_0__" not in [field.name for field in _schema(frame, tmp_path / "unnamed")]
    named = frame.rename_axis("animal_number")
    assert "animal_number" in [field.name for field in _schema(named, tmp_path / "named", key="animal_number")]


def _schema(frame: pd.DataFrame, folder: Path, **options: str) -> pa.Schema:
    folder.mkdir()
    ingested(frame, folder, **options)
    return given_back(folder).schema


MOMENT = datetime.datetime(2020, 5, 1, 12, 30, 15, 123456)
AWKWARD = {
    "dictionary": pa.array(["a", "b", None]).dictionary_encode(),
    "dictionary of numbers": pa.array([5, 7, None]).dictionary_encode(),
    "zoned": pa.array([MOMENT, None, MOMENT], pa.timestamp("us", "Europe/Berlin")),
    "zoned to the nanosecond": pa.array([1588336215123456789, None, 3], pa.timestamp("ns", "America/New_York")),
    "milliseconds": pa.array([1588336215123, None, 3], pa.timestamp("ms")),
    "nanoseconds": pa.array([1588336215123456789, None, 3], pa.timestamp("ns")),
    "decimal": pa.array([Decimal("1.25"), None, Decimal("-3.50")], pa.decimal128(10, 2)),
    "large string": pa.array(["x", None, "é\x00z"], pa.large_string()),
    "string view": pa.array(["x", None, "z"], pa.string_view()),
    "list": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
    "large list": pa.array([[1, 2], None, []], pa.large_list(pa.int64())),
    "fixed list": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.float32(), 2)),
    "list of structs": pa.array(
        [[{"a": 1, "b": "x"}], None, []], pa.list_(pa.struct([("a", pa.int8()), ("b", pa.large_string())]))
    ),
    "uint8": pa.array([1, None, 255], pa.uint8()),
    "uint64": pa.array([1, None, 2**64 - 1], pa.uint64()),
    "date": pa.array([datetime.date(2020, 1, 1), None, datetime.date(1969, 1, 1)], pa.date32()),
    "date64": pa.array([datetime.date(2020, 1, 1), None, datetime.date(1969, 1, 1)], pa.date64()),
    "boolean": pa.array([True, None, False]),
    "float32": pa.array([1.1, None, 2.5], pa.float32()),
    "float16": pa.array([1.5, None, 2.0], pa.float16()),
    "bytes": pa.array([b"\x00a", None, b""]),
    "fixed bytes": pa.array([b"ab", None, b"cd"], pa.binary(2)),
    "time": pa.array([datetime.time(1, 2, 3), None, None], pa.time32("s")),
    "duration": pa.array([5_000_000, None, 7], pa.duration("us")),
    "duration to the nanosecond": pa.array([5001, None, 7], pa.duration("ns")),
    "nothing": pa.nulls(3),
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("way", ["file", "memory"])
def test_awkward_types_come_back_unchanged(tmp_path: Path, name: str, way: str) -> None:
    column = pa.chunked_array([AWKWARD[name]] * 2)
    table = pa.table({"x": column, "size": pa.array(range(6)), "animal": ["cat", "dog"] * 3})
    if way == "file":
        pq.write_table(table, tmp_path / "a.parquet")
        table = pq.read_table(tmp_path / "a.parquet")
    ingested(table if way == "memory" else tmp_path / "a.parquet", tmp_path)
    found = given_back(tmp_path)
    assert found.schema.field("x") == table.schema.field("x")
    assert found["x"].to_pylist() == table["x"].to_pylist()


def test_metadata_and_required_columns_are_part_of_the_schema_that_comes_back(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("x", pa.int16(), nullable=False), ("animal", pa.string())], metadata={"owner": "zoo"})
    pq.write_table(pa.table({"x": range(6), "animal": ["cat", "dog"] * 3}, schema=schema), tmp_path / "a.parquet")
    ingested(tmp_path / "a.parquet", tmp_path)
    assert given_back(tmp_path).schema.equals(pq.read_schema(tmp_path / "a.parquet"), check_metadata=True)
