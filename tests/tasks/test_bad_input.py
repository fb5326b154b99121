"""Bad input: each case with its message, found before any work, and with nothing written anywhere."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from culpa.tasks.errors import BadInput
from culpa.tasks.paths import check_output
from culpa.tasks.settings import read_settings
from tests.tasks.tables import animals, ask, ingested, saved


def refused(source: Any, folder: Path, message: str, **options: Any) -> None:
    """The source is refused with (a part of) this message, and nothing appears, vanishes or changes in the folder."""
    before = contents(folder)
    with pytest.raises(BadInput) as error:
        ingested(source, folder, **options)
    assert message in re.sub(r"\s+", " ", str(error.value))
    assert contents(folder) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def text(folder: Path, content: str | bytes, name: str = "zoo.csv") -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


def test_a_file_that_is_not_there_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    saved(animals(), tmp_path / "animals.parquet")
    message = f"no such file: {tmp_path / 'animal.parquet'}; did you mean 'animals.parquet'?"
    refused(tmp_path / "animal.parquet", tmp_path, message)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "x" / "a.parquet", tmp_path, f"no such file: {tmp_path}/x/a.parquet; there is no folder")


def test_a_pattern_that_finds_nothing_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "*.parquet", tmp_path, "no such file", out=tmp_path / "out" / "clean.parquet")


def test_a_folder_without_a_table_is_refused_with_the_known_endings(tmp_path: Path) -> None:
    text(tmp_path, "hello", "readme.md")
    refused(
        tmp_path, tmp_path, "holds no file to read; known endings: .parquet, .pq, .csv", store=tmp_path / "s.duckdb"
    )


def test_an_unknown_format_is_refused_with_the_known_endings(tmp_path: Path) -> None:
    refused(text(tmp_path, "hello", "zoo.xlsx"), tmp_path, "cannot tell the format of")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "animl"}, "has no column 'animl' (--label); did you mean 'animal'?"),
        ({"label": "ANIMAL"}, "has no column 'ANIMAL' (--label); did you mean 'animal'?"),
        ({"label": "y"}, "has no column 'y' (--label); there are: animal, colour, furry, legs, seen, weight"),
        ({"key": "wait"}, "has no column 'wait' (--key); did you mean 'weight'?"),
        ({"ignore": ("leg",)}, "has no column 'leg' (--ignore); did you mean 'legs'?"),
        ({"text": ("color",)}, "has no column 'color' (--text); did you mean 'colour'?"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_the_nearest_one(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    refused(saved(animals(), tmp_path / "zoo.parquet"), tmp_path, message, **options)


def test_keys_that_repeat_are_named(tmp_path: Path) -> None:
    frame = animals().assign(number=[1, 1, 2, 2, 2, *range(100, 155)])
    message = (
        "the key 'number' of <DataFrame> is not unique: 2 values occur more than once: '2' (3 times), '1' (2 times)"
    )
    refused(frame, tmp_path, message, key="number")


def test_keys_that_are_missing_are_counted(tmp_path: Path) -> None:
    frame = animals().assign(number=[None, None, *range(58)])
    refused(frame, tmp_path, "the key 'number' of <DataFrame> is missing in 2 rows: fill it, or", key="number")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("header.csv", "weight,animal\n", "holds no rows: nothing to clean"),
        ("empty.csv", "", "is empty: nothing to clean"),
        ("empty.jsonl", "", "is empty: nothing to clean"),
        ("empty.parquet", "", "is empty: nothing to clean"),
        ("torn.parquet", "PAR1 and then nothing", "cannot read"),
        ("latin.csv", "weight,animal\n1,chaton caf\xe9\n".encode("latin1"), "cannot read"),
        ("torn.csv.gz", "not gzip at all", "cannot read"),
        ("torn.jsonl", '{"animal": "cat"}\n{"animal": ', "cannot read"),
        ("torn.duckdb", "not a database", "cannot read"),
    ],
)
def test_a_file_without_a_readable_row_is_refused(tmp_path: Path, name: str, content: Any, message: str) -> None:
    refused(text(tmp_path, content, name), tmp_path, message)


def test_a_table_in_memory_without_a_row_is_refused(tmp_path: Path) -> None:
    refused(animals()[:0], tmp_path, "<DataFrame> holds no rows: nothing to clean")


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    refused(animals().assign(animal="cat"), tmp_path, "has one class only, 'cat' in all 60 rows: needed two or more")


def test_a_class_with_one_row_is_refused_with_what_to_do(tmp_path: Path) -> None:
    frame = animals()
    frame.loc[7, "animal"] = "yak"
    message = (
        "1 of 4 classes of 'animal' have one row only ('yak'): nothing can be said about a row from the others of "
    )
    refused(frame, tmp_path, message + "its class; merge such classes, empty their labels, or drop the rows")


@pytest.mark.parametrize("infinity", [float("inf"), float("-inf")])
def test_an_infinite_feature_is_refused_with_its_column_and_count(tmp_path: Path, infinity: float) -> None:
    frame = animals()
    frame.loc[[3, 4], "weight"] = infinity
    refused(frame, tmp_path, "column 'weight' is infinite in 2 rows: make them numbers, leave them empty, or leave the")


def test_an_infinite_number_in_text_is_refused_where_the_text_is_read_as_numbers(tmp_path: Path) -> None:
    values = ["inf", *map(str, np.random.default_rng(0).normal(size=59))]
    frame = animals().assign(weight=values)
    refused(frame, tmp_path, "column 'weight' is infinite in 1 rows")
    ingested(frame.assign(weight=["inf", "nan", "x"] * 20), tmp_path)


def test_a_nan_is_a_missing_value_and_no_bad_input(tmp_path: Path) -> None:
    frame = animals()
    frame.loc[[3, 4], "weight"] = float("nan")
    assert ingested(frame, tmp_path).warnings == ()


def test_a_text_among_the_numbers_of_a_csv_is_refused_with_examples_and_a_way_out(tmp_path: Path) -> None:
    frame = animals().assign(weight=[*range(100, 157), "?", "?", "heavy"])
    file = saved(frame, tmp_path / "zoo.csv")
    message = (
        "column 'weight' mixes types: 57 numbers such as 100, and 3 texts such as '?' (2 different); mend them, leave"
    )
    refused(file, tmp_path, message)
    refused(file, tmp_path, "or read all as names of categories with --categorical weight, as text with --text weight")
    for way_out in ("categorical", "text", "ignore"):
        ingested(file, tmp_path, **{way_out: ("weight",)})


def test_numbers_and_texts_in_a_json_field_are_refused(tmp_path: Path) -> None:
    lines = [
        f'{{"weight": {weight}, "legs": {i % 7}, "animal": "{"cat" if i % 2 else "dog"}"}}'
        for i, weight in enumerate([1, '"x"'] * 10)
    ]
    file = text(tmp_path, "\n".join(lines), "zoo.jsonl")
    refused(file, tmp_path, "column 'weight' mixes types: 10 numbers such as 1, and 10 texts such as 'x' (1 different)")
    ingested(file, tmp_path, categorical=("weight",))


def test_objects_of_several_types_in_a_data_frame_are_refused(tmp_path: Path) -> None:
    frame = animals().assign(weight=pd.Series([1, "two", 3.5] * 20, dtype=object))
    message = (
        "column 'weight' mixes types: int such as 1 (20), str such as 'two' (20), float such as 3.5 (20); make them one"
    )
    refused(frame, tmp_path, message)
    ingested(frame, tmp_path, text=("weight",))


def test_columns_that_sql_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    frame = animals().assign(Weight=1.0)
    message = "has the columns 'weight' and 'Weight', which SQL cannot tell apart: rename one"
    refused(saved(frame, tmp_path / "zoo.parquet"), tmp_path, message)
    refused(frame, tmp_path, message)


def test_columns_of_the_same_name_are_refused(tmp_path: Path) -> None:
    frame = animals()
    refused(pd.concat([frame, frame["legs"]], axis=1), tmp_path, "has several columns named 'legs': rename them")
    table = pa.Table.from_pandas(frame)
    refused(table.append_column("legs", table["legs"]), tmp_path, "has several columns named 'legs': rename them")


def test_a_column_named_as_the_stores_own_is_refused(tmp_path: Path) -> None:
    refused(animals().assign(__row_id=1), tmp_path, "has a column '__row_id', a name that the store needs itself")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "has 2 tables (animals, zoos): choose one, or give a query, with --table"),
        ("animal", "has no table 'animal'; did you mean 'animals'?"),
        ("SELECT * FROM animls", "cannot read"),
        ("DROP TABLE animals; SELECT 1", "--table must be a table's name or one SELECT"),
    ],
)
def test_a_table_of_a_duckdb_file_must_be_chosen_and_be_there(tmp_path: Path, table: str | None, message: str) -> None:
    file = saved(animals(), tmp_path / "zoo.duckdb")
    with duckdb.connect(file) as connection:
        connection.execute("CREATE TABLE zoos (name VARCHAR)")
    refused(file, tmp_path, message, table=table)


def test_a_table_is_chosen_of_duckdb_files_only(tmp_path: Path) -> None:
    message = "--table is for DuckDB files"
    refused(saved(animals(), tmp_path / "zoo.csv"), tmp_path, message, table="animals")
    refused(animals(), tmp_path, message, table="animals")


REFERENCES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no label": (lambda frame: frame.drop(columns="animal"), "has no column 'animal', which the input has"),
    "a feature of another name": (
        lambda frame: frame.rename(columns={"weight": "weigth"}),
        "has no column 'weight', which the input has; did you mean 'weigth'?; add it there, or leave it out with "
        "--ignore",
    ),
    "a feature of another type": (
        lambda frame: frame.assign(weight="heavy"),
        "does not fit: column 'weight' is VARCHAR there and DOUBLE in the input",
    ),
    "an unknown class": (
        lambda frame: frame.assign(animal="yak"),
        "has classes of 'animal' that the input has not: 'yak' (60 rows); there are: cat, dog, emu",
    ),
    "a class nearly known": (lambda frame: frame.replace({"animal": {"cat": "Cats"}}), "did you mean 'cat'?"),
    "no labels": (lambda frame: frame.assign(animal=pd.Series([None] * 60, dtype="str")), "has no label in any of its"),
    "an infinite feature": (lambda frame: frame.assign(weight=np.inf), "column 'weight' is infinite in 60 rows"),
    "no rows": (lambda frame: frame[:0], "holds no rows"),
}


@pytest.mark.parametrize("case", REFERENCES)
def test_a_reference_file_that_does_not_fit_is_refused(tmp_path: Path, case: str) -> None:
    change, message = REFERENCES[case]
    reference = saved(change(animals()), tmp_path / "trusted.parquet")
    refused(animals(), tmp_path, message, reference=reference)


def test_a_reference_file_with_repeated_keys_is_refused(tmp_path: Path) -> None:
    reference = saved(animals().assign(number=7), tmp_path / "trusted.parquet")
    message = f"the key 'number' of {reference} is not unique: 1 values occur more than once: '7' (60 times)"
    refused(animals().assign(number=range(60)), tmp_path, message, reference=reference, key="number")


def test_a_reference_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused(animals(), tmp_path, "no such file", reference=tmp_path / "trusted.parquet")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("zoo.parquet", "the output {}/zoo.parquet is the input itself: name another file with --out"),
        ("./sub/../zoo.parquet", "is the input itself"),
        ("link.parquet", "is the input itself"),
        ("trusted.parquet", "is the reference file itself"),
        ("culpa.duckdb.parquet", "is the store itself"),
        ("nowhere/clean.parquet", "the folder {}/nowhere does not exist; create it or name another --out"),
        ("sub", "cannot tell the format of 'sub'"),
        ("folder.parquet", "it is a folder; name a file in it with --out"),
        ("clean.xlsx", "cannot tell the format of 'clean.xlsx'"),
    ],
)
def test_an_output_that_would_overwrite_something_or_cannot_be_written_is_refused(
    tmp_path: Path, out: str, message: str
) -> None:
    file = saved(animals(), tmp_path / "zoo.parquet")
    trusted = saved(animals(), tmp_path / "trusted.parquet")
    (tmp_path / "link.parquet").symlink_to(file)
    (tmp_path / "sub").mkdir()
    (tmp_path / "folder.parquet").mkdir()
    options = {"reference": trusted, "out": tmp_path / out, "store": tmp_path / "culpa.duckdb.parquet"}
    refused(file, tmp_path, message.format(tmp_path), **options)


def test_an_output_that_the_pattern_or_folder_would_read_next_time_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    saved(animals(), tmp_path / "data" / "zoo.parquet")
    for source in (tmp_path / "data", tmp_path / "data" / "*.parquet"):
        out = tmp_path / "data" / "clean.parquet"
        refused(source, tmp_path, "would be read as input the next time", out=out)


def test_the_output_of_a_clean_can_be_checked_before_it_begins(tmp_path: Path) -> None:
    file = saved(animals(), tmp_path / "zoo.parquet")
    settings = read_settings(file, label="animal", store=tmp_path / "culpa.duckdb")
    check_output(settings, settings.out_path)
    with pytest.raises(BadInput, match="is the input itself"):
        check_output(settings, file)


def test_a_store_that_is_the_input_or_the_reference_is_refused(tmp_path: Path) -> None:
    file = saved(animals(), tmp_path / "zoo.duckdb")
    refused(file, tmp_path, "is the input itself: name another file with --store", store=file)
    refused(animals(), tmp_path, "is the reference file itself: name another", store=file, reference=file)


def test_a_store_that_is_not_ours_or_newer_is_refused_before_the_input_is_read(tmp_path: Path) -> None:
    theirs = saved(animals(), tmp_path / "theirs.duckdb")
    refused(text(tmp_path, ""), tmp_path, "is a DuckDB file but not a culpa store", store=theirs)
    ingested(animals(), tmp_path)
    with duckdb.connect(tmp_path / "culpa.duckdb") as connection:
        connection.execute("UPDATE meta SET schema_version = 99")
    refused(text(tmp_path, ""), tmp_path, "is of the newer version 99")


def test_a_store_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(animals(), tmp_path, "does not exist; create it or name another", store=tmp_path / "x" / "culpa.duckdb")


def test_bad_input_leaves_an_existing_store_as_it_was(tmp_path: Path) -> None:
    ingested(animals(), tmp_path)
    refused(animals().assign(animal="cat"), tmp_path, "has one class only")
    assert ask(tmp_path, "SELECT count(*) FROM runs") == [(1,)]
