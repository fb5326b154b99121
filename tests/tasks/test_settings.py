"""Settings: what is refused, in which words, and what makes a run another run."""

from pathlib import Path

import pandas as pd
import pytest

from culpa.tasks.errors import BadInput
from culpa.tasks.settings import read_settings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "label is missing: give the column with the labels"),
        ({"label": "y", "max_drops": 0.1}, "there is no setting 'max_drops'; did you mean max_drop"),
        ({"label": "y", "max_drop": 3}, "max_drop: input should be less than or equal to 1, got 3"),
        ({"label": "y", "key": "y"}, "column 'y' is named as label and as key; name it once"),
        ({"label": "y", "text": ["a"], "ignore": ["a"]}, "column 'a' is named as ignore and as text"),
        ({"label": "y", "proxy": "oracle"}, "proxy: no proxy is called 'oracle': choose auto, linear"),
        ({"label": "y", "memory_limit": "much"}, "memory_limit must be DuckDB's memory limit, such as 4GB, got 'much'"),
    ],
)
def test_a_wrong_setting_is_named_with_what_came_and_what_is_needed(options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_settings("train.parquet", **options)
    assert message in str(refused.value)


def test_a_source_that_is_no_table_is_refused() -> None:
    with pytest.raises(BadInput, match="source must be a path or a table"):
        read_settings(42, label="y")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "dataset", "out"),
    [
        ("data/train.csv.gz", "train", "data/train.cleaned.parquet"),
        ("data/", "data", "data.cleaned.parquet"),
        (pd.DataFrame({"y": [1]}), "table", "table.cleaned.parquet"),
    ],
)
def test_data_set_and_output_are_named_after_the_source(source: str | pd.DataFrame, dataset: str, out: str) -> None:
    settings = read_settings(source, label="y")
    assert (settings.dataset_name, settings.out_path) == (dataset, Path(out))


@pytest.mark.parametrize(("source", "dataset"), [("data/part-*.parquet", "part"), ("data/*.parquet", "data")])
def test_beside_a_pattern_no_output_is_written_that_the_pattern_could_match(source: str, dataset: str) -> None:
    settings = read_settings(source, label="y")
    assert settings.dataset_name == dataset
    with pytest.raises(BadInput, match="name the cleaned file with --out"):
        _ = settings.out_path


def test_places_memory_and_guards_do_not_change_the_answer_but_every_threshold_does(tmp_path: Path) -> None:
    rule = tmp_path / "tags.sql"
    rule.write_text("select 1")
    plain = read_settings("a.csv", label="y").answer_settings()
    moved = read_settings("a.csv", label="y", store=tmp_path / "s.duckdb", out="b.parquet", chunk_rows=7, max_drop=0.5)
    assert moved.answer_settings() == plain
    for change in ({"seed": 1}, {"memorization_threshold": 0.3}, {"ignore": ("b",)}, {"rule": rule}, {"dataset": "c"}):
        assert read_settings("a.csv", label="y", **change).answer_settings() != plain


def test_a_rule_is_known_by_its_text_not_by_its_path(tmp_path: Path) -> None:
    for name in ("one.sql", "two.sql"):
        (tmp_path / name).write_text("select 1")
    one, two = (
        read_settings("a.csv", label="y", rule=tmp_path / name).answer_settings() for name in ("one.sql", "two.sql")
    )
    assert one == two
