"""Labels: classes or a number, in which order, and which rows have none."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from culpa.tasks.errors import BadInput
from tests.tasks.tables import animals, ask, ingested

RANDOM = np.random.default_rng(1)
ROWS = 120
LABELS = {
    "two words": (["no", "yes"] * 60, ("no", "yes")),
    "booleans": ([True, False] * 60, ("false", "true")),
    "few whole numbers, in their order": ([10, 9, 100] * 40, ("9", "10", "100")),
    "whole numbers that gaps made floats": ([0.0, 1.0, None] * 40, ("0", "1")),
    "two halves": ([0.5, 1.5] * 60, ("0.5", "1.5")),
    "a categorical": (pd.Categorical(["b", "a"] * 60), ("a", "b")),
    "fractions": (RANDOM.normal(size=ROWS), ()),
    "many whole numbers": (RANDOM.integers(0, 10_000, ROWS), ()),
    "whole floats of many values": (RANDOM.integers(20, 300, ROWS).astype(float), ()),
}


def labelled(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": RANDOM.normal(size=len(values)), "animal": values})


@pytest.mark.parametrize("name", LABELS)
def test_a_label_is_classes_or_a_number_by_what_it_holds(tmp_path: Path, name: str) -> None:
    values, classes = LABELS[name]
    run = ingested(labelled(values), tmp_path)
    assert run.classes == classes
    assert ask(tmp_path, "SELECT task FROM runs") == [("classification" if classes else "regression",)]


def test_how_numbers_are_read_is_said(tmp_path: Path) -> None:
    run = ingested(labelled([1, 2, 3, 4] * 30), tmp_path)
    expected = "the label 'animal' has 4 different numbers and is read as classes; --task regression overrules"
    assert run.notes == (expected,)


@pytest.mark.parametrize(
    ("task", "values", "classes"),
    [
        ("regression", [1, 2, 3] * 40, ()),
        ("classification", np.arange(60).repeat(2) / 4, 60),
        ("regression", ["1", "2.5"] * 60, ()),
    ],
)
def test_the_users_task_beats_the_guess(tmp_path: Path, task: str, values: Any, classes: Any) -> None:
    run = ingested(labelled(values), tmp_path, task=task)
    assert run.classes == classes or len(run.classes) == classes


def test_the_text_of_a_number_reads_back_as_the_same_number(tmp_path: Path) -> None:
    values = RANDOM.normal(size=ROWS)
    ingested(labelled(values), tmp_path)
    found = [float(text) for (text,) in ask(tmp_path, "SELECT given_label FROM rows ORDER BY position")]
    assert found == values.tolist()


@pytest.mark.parametrize(
    "values", [["cat", None, "dog"] * 40, [1.5, float("nan"), 2.5] * 40, [*RANDOM.normal(size=80), *[None] * 40]]
)
def test_rows_without_a_label_are_counted_and_stored_as_such(tmp_path: Path, values: Any) -> None:
    run = ingested(labelled(values), tmp_path)
    assert (run.rows, run.unlabelled) == (120, 40)
    assert ask(tmp_path, "SELECT count(*) - count(given_label) FROM rows") == [(40,)]
    assert "40 rows have no label: they pass through untouched" in run.notes


def test_a_class_that_looks_like_a_missing_value_is_a_warning(tmp_path: Path) -> None:
    run = ingested(labelled(["cat", "", "dog", "NA"] * 30), tmp_path)
    assert run.warnings == (
        "'' is read as a class of 'animal': if it means missing, empty it",
        "'NA' is read as a class of 'animal': if it means missing, empty it",
    )


REFUSED = {
    "one class": (["cat"] * 120, "auto", "has one class only, 'cat' in all 120 rows: needed two or more"),
    "one row of a class": (
        ["cat"] * 119 + ["emu"],
        "auto",
        "1 of 2 classes of 'animal' have one row only .'emu'.: .*merge such classes",
    ),
    "no label at all": ([None] * 120, "auto", "is empty in all 120 rows: there is nothing to learn from"),
    "every row a class": (
        [f"name {i}" for i in range(120)],
        "auto",
        "has 120 classes in 120 rows: is it an identifier",
    ),
    "an infinite target": ([*RANDOM.normal(size=119), float("inf")], "auto", "is infinite in 1 rows: make it a number"),
    "one number": ([3.5] * 120, "regression", "has the same value in every row: there is nothing to predict"),
    "words as numbers": (["cat", "1"] * 60, "regression", "is no number in 60 rows, and --task regression needs one"),
    "dates": (pd.date_range("2024-01-01", periods=120), "auto", "has the type TIMESTAMP.*: needed classes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_label_that_nothing_can_be_learnt_from_is_refused(tmp_path: Path, name: str) -> None:
    values, task, message = REFUSED[name]
    with pytest.raises(BadInput, match=f"the label 'animal' {message}|{message}"):
        ingested(labelled(values), tmp_path, task=task)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a copy", "codes for it", "words for it, with one slip"])
def test_a_column_that_determines_the_label_is_a_warning(tmp_path: Path, name: str) -> None:
    frame = animals(300)
    hint = frame["animal"].map({"cat": 7, "dog": 9, "emu": 3}) if name == "codes for it" else frame["animal"] + "!"
    if name.endswith("slip"):
        hint[17] = "cat!"
    run = ingested(frame.assign(hint=hint), tmp_path)
    assert run.warnings == (
        "column 'hint' determines the label 'animal': is it the label in disguise? --ignore hint leaves it out",
    )


def test_a_feature_on_a_line_with_the_number_to_predict_is_a_warning(tmp_path: Path) -> None:
    frame = labelled(RANDOM.normal(size=ROWS))
    run = ingested(frame.assign(hint=3 * frame["animal"] + 2), tmp_path)
    assert [said.split(":")[0] for said in run.warnings] == ["column 'hint' determines the label 'animal'"]


def test_features_that_only_help_are_no_disguise(tmp_path: Path) -> None:
    frame = animals(300)
    helpful = frame["animal"].where(RANDOM.random(300) < 0.8, "emu")
    assert ingested(frame.assign(hint=helpful), tmp_path).warnings == ()


def test_a_disguise_is_found_in_a_table_sorted_by_its_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("culpa.tasks.odd_labels.SAMPLE", 50)
    frame = animals(300).assign(hint=lambda table: table["animal"].str.upper()).sort_values("animal")
    assert "column 'hint' determines" in ingested(frame, tmp_path).warnings[0]


def test_in_a_lopsided_table_no_column_is_accused_for_guessing_the_common_class(tmp_path: Path) -> None:
    frame = animals(3000).assign(animal=["cat"] * 2995 + ["emu"] * 5)
    assert ingested(frame, tmp_path).warnings == ()


def test_identical_rows_with_different_labels_are_a_warning_with_their_number(tmp_path: Path) -> None:
    frame = animals()
    twins = frame[:4].assign(animal=["dog", "emu", "cat", "cat"])  # the last one agrees
    run = ingested(pd.concat([frame, twins]), tmp_path)
    assert [said.split(":")[0] for said in run.warnings] == [
        "3 groups of rows with exactly the same features carry different labels (6 rows)"
    ]
    groups = ask(
        tmp_path,
        "SELECT list(position ORDER BY position) FROM rows GROUP BY duplicate_group HAVING count(*) > 1 ORDER BY 1",
    )
    assert groups == [([0, 60],), ([1, 61],), ([2, 62],), ([3, 63],)]
