"""The distance between rows, worked out by hand, and what it makes the nearest rows."""

from pathlib import Path

import numpy as np
import pytest

from culpa.flows.plain import flag
from culpa.tasks.queue.likeness import Categories, Likeness, Numbers, Texts, read_likeness
from culpa.tasks.queue.rows import read_roles
from culpa.tasks.runs import find_run
from culpa.tasks.store import connect
from tests.flows.blobs import write_blobs


def test_numbers_differ_by_the_share_of_their_range():
    column = Numbers(np.array([0.0, 5.0, 20.0, np.nan]), span=10.0)
    np.testing.assert_allclose(column.distances(5.0), [0.5, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(column.distances(None), [1.0, 1.0, 1.0, 0.0])


def test_the_range_spans_the_middle_98_per_cent_so_that_an_outlier_does_not_make_all_others_alike():
    span = Numbers.of([*range(1000), 10**9]).span
    assert span == pytest.approx(np.quantile([*range(1000), 10**9], 0.99) - np.quantile([*range(1000), 10**9], 0.01))
    assert span < 1000
    assert Numbers.of([3.0, 3.0, "x", None]).span == 1.0


def test_categories_are_equal_or_not():
    column = Categories(np.array(["red", "blue", None], dtype=object))
    np.testing.assert_array_equal(column.distances("red"), [0, 1, 1])
    np.testing.assert_array_equal(column.distances(None), [1, 1, 0])


def test_texts_differ_by_the_words_that_only_one_of_them_has():
    column = Texts.of(["the red fox", "the Red fox!", "blue whale", "", None])
    # shared 3 of 3 and 3 of 3 words; {the, red, fox, blue, whale}: 0 of 5; nothing at all: 0 of 3
    np.testing.assert_allclose(column.distances("the red fox"), [0, 0, 1, 1, 1])
    np.testing.assert_allclose(column.distances("the red whale"), [0.5, 0.5, 0.75, 1, 1])
    np.testing.assert_allclose(column.distances(""), [1, 1, 1, 0, 0])


def test_a_rows_distance_is_the_mean_over_its_columns_and_the_row_itself_is_left_out():
    columns = {"x": Numbers(np.array([0.0, 1.0, 4.0]), 4.0), "c": Categories(np.array(["a", "b", "a"], dtype=object))}
    likeness = Likeness(np.array(["r0", "r1", "r2"], dtype=object), np.array(["cat", "cat", "dog"]), columns, None)
    np.testing.assert_allclose(likeness.distances({"x": 0.0, "c": "a"}), [0.0, (0.25 + 1) / 2, (1 + 0) / 2])
    allowed = {"all": np.ones(3, bool), "cats": likeness.labels == "cat"}
    assert likeness.nearest("r0", {"x": 0.0, "c": "a"}, allowed, 5) == {"all": [2, 1], "cats": [1]}


def test_the_neighbours_of_a_wrong_label_carry_the_right_one(folder: Path):
    wrong = write_blobs(folder / "train.parquet")
    run_id = flag(
        "train.parquet", label="kind", key="id", proxy="linear", gate="off", calibrate=False, faithfulness=False,
        report=False,
    ).run_id  # fmt: skip
    with connect(Path("culpa.duckdb"), read_only=True) as connection:
        run = find_run(connection, run_id)
        likeness = read_likeness(connection, run, read_roles(connection, run))
    assert likeness is not None
    assert set(likeness.columns) == {"x", "y", "colour"}
    place = {row: number for number, row in enumerate(likeness.row_ids)}
    outvoted = 0
    for row in wrong:
        nearest = likeness.nearest(row, likeness.values(place[row]), {"all": np.ones(len(place), bool)}, 5)["all"]
        outvoted += sum(likeness.labels[other] != likeness.labels[place[row]] for other in nearest) >= 3
    assert outvoted >= len(wrong) - 2
