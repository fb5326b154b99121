"""Roles: what each column is taken for, what is left out and why, and that the user's word beats every guess."""

import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from culpa.tasks.errors import BadInput
from tests.tasks.tables import animals, ask, ingested, saved

ROWS = 60
RANDOM = np.random.default_rng(0)
WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "ate", "fish", "today"]


def column(folder: Path, name: str = "x") -> dict[str, Any]:
    [(columns,)] = ask(folder, "SELECT columns FROM runs")
    return {one["name"]: one for one in json.loads(columns)}[name]


def with_column(values: Any) -> pa.Table:
    return pa.Table.from_pandas(animals(ROWS), preserve_index=False).append_column("x", pa.array(values))


USED = {
    "floats": (RANDOM.normal(size=ROWS), "numeric"),
    "whole numbers": (RANDOM.integers(0, 9, ROWS), "numeric"),
    "decimals": ([Decimal(i % 7) / 4 for i in range(ROWS)], "numeric"),
    "booleans with gaps": ([True, None, False] * 20, "boolean"),
    "a few words": (["red", "green", "blue"] * 20, "categorical"),
    "a dictionary": (pa.array(["red", "green", "blue"] * 20).dictionary_encode(), "categorical"),
    "sentences": ([" ".join(RANDOM.choice(WORDS, 9)) for _ in range(ROWS)], "text"),
    "sentences without spaces": ([f"今日は猫が{i}匹の魚を食べました" for i in range(ROWS)], "text"),
    "the same three sentences": (["the cat sat", "a dog ran off", "an emu hid here"] * 20, "categorical"),
    "dates": (pd.date_range("2024-01-01", periods=ROWS).date, "timestamp"),
    "moments with a zone": (pd.date_range("2024-01-01", periods=ROWS, tz="Europe/Berlin"), "timestamp"),
    "durations": (pa.array(RANDOM.integers(0, 1000, ROWS), pa.duration("s")), "numeric"),
    "numbers as text": ([str(number) for number in RANDOM.normal(size=ROWS)], "numeric"),
    "a few codes": (["02139", "94105", "10001"] * 20, "categorical"),
    "one value with gaps": (["yes", None] * 30, "categorical"),
    "sorted whole numbers with gaps": (np.arange(ROWS) * 3, "numeric"),
}
LEFT_OUT = {
    "a count from 1": (np.arange(ROWS) + 1, "identifier", "every row has a value of its own"),
    "codes all different": ([f"A-{i:03}" for i in range(ROWS)], "identifier", "every row has a value of its own"),
    "UUIDs": ([str(uuid.UUID(int=i)) for i in range(ROWS)], "identifier", "every row has a value of its own"),
    "one value": (["same"] * ROWS, "constant", "the same value in every row"),
    "one number": ([1.5] * ROWS, "constant", "the same value in every row"),
    "nothing": ([None] * ROWS, "empty", "no value at all"),
    "nothing but NaN": ([float("nan")] * ROWS, "empty", "no value at all"),
    "lists": ([[1, 2]] * ROWS, "nested", "INTEGER[] is nested"),
    "structs": ([{"a": 1}] * ROWS, "nested", "is nested"),
    "bytes": ([b"ab", b"cd"] * 30, "nested", "holds bytes"),
}


@pytest.mark.parametrize("name", USED)
def test_a_column_is_taken_for_what_it_looks_like(tmp_path: Path, name: str) -> None:
    values, role = USED[name]
    ingested(with_column(values), tmp_path)
    found = column(tmp_path)
    assert (found["role"], found["used"]) == (role, True), found["reason"]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_column_that_tells_nothing_is_left_out_and_said_so(tmp_path: Path, name: str) -> None:
    values, role, reason = LEFT_OUT[name]
    run = ingested(with_column(values), tmp_path)
    found = column(tmp_path)
    assert (found["role"], found["used"]) == (role, False)
    assert reason.replace("INTEGER", "BIGINT") in found["reason"]
    assert any("column 'x'" in said for said in (*run.notes, *run.warnings))


def test_an_empty_column_is_a_warning(tmp_path: Path) -> None:
    assert ingested(with_column([None] * ROWS), tmp_path).warnings == ("column 'x' is left out: no value at all",)


def test_many_columns_left_out_for_the_same_reason_are_one_note(tmp_path: Path) -> None:
    frame = animals().assign(**{f"border{i}": 0 for i in range(60)}, one=1, number=range(60))
    assert ingested(frame, tmp_path).notes == (
        "column 'number' is left out: every row has a value of its own, as an identifier has; "
        "--numeric, --categorical or --text overrules",
        "columns 'border0', 'border1', 'border2' and 58 more are left out: the same value in every row",
    )


def test_a_whole_number_named_like_an_id_is_one_only_if_no_two_are_equal(tmp_path: Path) -> None:
    frame = animals().assign(user_id=np.arange(60) * 7, shop_id=[1, 2, 3] * 20, paid=np.arange(60) * 7)
    ingested(frame, tmp_path)
    assert column(tmp_path, "user_id")["role"] == "identifier"
    assert column(tmp_path, "shop_id")["role"] == "numeric"
    assert column(tmp_path, "paid")["role"] == "numeric"


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("numeric", np.arange(ROWS) + 1),
        ("categorical", np.arange(ROWS) % 4),
        ("categorical", [f"A-{i:03}" for i in range(ROWS)]),
        ("text", ["red", "green", "blue"] * 20),
        ("timestamp", RANDOM.integers(1_600_000_000, 1_700_000_000, ROWS)),
        ("timestamp", [f"2024-01-{1 + i % 28:02} 10:00" for i in range(ROWS)]),
        ("numeric", ["1", "2.5", None] * 20),
    ],
)
def test_the_users_word_beats_every_guess(tmp_path: Path, option: str, values: Any) -> None:
    ingested(with_column(values), tmp_path, **{option: ("x",)})
    assert column(tmp_path) | {"type": ""} == {
        "name": "x", "type": "", "role": option, "used": True, "reason": "chosen by the user",
    }  # fmt: skip


def test_an_ignored_column_is_not_looked_at(tmp_path: Path) -> None:
    ingested(with_column([float("inf")] * ROWS), tmp_path, ignore=("x",))
    assert column(tmp_path)["role"] == "ignored"


@pytest.mark.parametrize(("role", "value"), [("numeric", "cheap"), ("timestamp", "yesterday")])
def test_a_role_that_a_column_cannot_play_is_refused(tmp_path: Path, role: str, value: str) -> None:
    values = ["2024", "2025", value] * 20
    message = (
        f"column 'x' cannot be read as {role}: .* values are none, such as '{'20' if role == 'timestamp' else value}"
    )
    with pytest.raises(BadInput, match=message):
        ingested(with_column(values), tmp_path, **{role: ("x",)})


def test_a_nested_column_can_play_no_role(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"column 'x' has the type BIGINT\[\] and cannot be read as text: turn it into"):
        ingested(with_column([[1], [2], [3]] * 20), tmp_path, text=("x",))


def test_a_table_without_a_usable_column_is_refused_with_the_reasons(tmp_path: Path) -> None:
    frame = pd.DataFrame({"number": range(60), "same": 1, "animal": ["cat", "dog"] * 30})
    with pytest.raises(BadInput, match=r"no column is left to learn from \(number: identifier, .*; same: constant"):
        ingested(frame, tmp_path)


def test_more_columns_than_one_query_measures_are_all_understood(tmp_path: Path) -> None:
    frame = pd.DataFrame({f"c{i}": RANDOM.normal(size=30) for i in range(250)}).assign(animal=["cat", "dog"] * 15)
    ingested(frame, tmp_path)
    [(columns,)] = ask(tmp_path, "SELECT columns FROM runs")
    assert [one["role"] for one in json.loads(columns)] == ["numeric"] * 250 + ["label"]


def test_odd_column_names_are_no_trouble(tmp_path: Path) -> None:
    names = ['the "best"', "it's", "position", "row_id", "data", "a;b", "ünï", "select", " "]
    frame = animals().assign(**{name: RANDOM.normal(size=60) for name in names})
    ingested(saved(frame, tmp_path / "a.parquet"), tmp_path)
    [(columns,)] = ask(tmp_path, "SELECT columns FROM runs")
    assert {one["name"]: one["role"] for one in json.loads(columns)}.items() >= dict.fromkeys(names, "numeric").items()
