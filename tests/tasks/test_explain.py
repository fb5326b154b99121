"""Why is this row flagged, kept or gone."""

from pathlib import Path

import pyarrow as pa
import pytest

from culpa.tasks.errors import BadInput
from culpa.tasks.evidence import SCHEMA
from culpa.tasks.explain import explain
from culpa.tasks.reviews.decide import decide
from tests.tasks.small_store import PET_SCORES, PETS, pets, small_run

OUTVOTED = {
    "row_id": "r4",
    "kind": "outvoted_by",
    "rank": 1,
    "other_row_id": "r0",
    "other_is_reference": False,
    "value": 0.5,
}


def test_an_explanation_tells_scores_tag_evidence_decisions_and_fate(folder: Path) -> None:
    run = small_run(folder, PETS, PET_SCORES)
    run.tag(evidence=pa.Table.from_pylist([OUTVOTED], schema=SCHEMA))
    decide(run.store, ["r4"], "defer", by="bob")
    decide(run.store, ["r4"], "relabel", "cat", by="ann", note="says miaow")
    run.publish()
    text = explain(run.store, "r4").text
    for part in (
        "row r4 of pets",
        "weight: 4.5",
        "run aaaaaaaaaaaa of 2026-01-01 00:00 (published)",
        "here, relabelled: relabel as cat by ann: says miaow",
        "flagged as mislabeled; label dog, suggested cat (probability 0.90)",
        "memorization: 0.8",
        "linear: P(own label, without the row) 0.5",
        "outvoted by: row r0 labelled cat (share of the vote 0.5)",
        f"published to {folder / 'cleaned.parquet'}",
        "defer by bob (superseded)",
        "relabel as cat by ann: says miaow (valid)",
    ):
        assert part in text


def test_an_explanation_is_also_a_dictionary(folder: Path) -> None:
    run = pets(folder)
    run.publish()
    detail = explain(run.store, "r4").detail
    assert (detail["row_id"], detail["dataset"], detail["data"]["weight"]) == ("r4", "pets", 4.5)
    assert detail["runs"][0]["outcome"] == "dropped"
    assert detail["runs"][0]["scores"]["memorization"] == 0.8
    assert detail["decisions"] == []


def test_an_explanation_says_what_was_decided_since_the_publish(folder: Path) -> None:
    run = pets(folder)
    run.publish()
    decide(run.store, ["r4"], "keep", by="ann")
    text = explain(run.store, "r4").text
    assert "gone: contradicted out of sample" in text
    assert "decided since: a publish now would have it kept" in text


def test_an_explanation_shows_a_stale_decision_as_such(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r4"], "keep", by="ann")
    changed = PETS.set_column(1, "weight", pa.array([1.0] * 10))
    small_run(folder, changed, {}, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00").tag()
    text = explain(run.store, "r4").text
    assert "keep by ann (stale: the content has changed since)" in text
    assert "its content differs from the run before" in text


def test_rows_that_are_fine_or_unlabelled_have_a_story_too(folder: Path) -> None:
    run = pets(folder)
    run.publish()
    assert "here: nothing speaks against it\n  not flagged; label cat" in explain(run.store, "r0").text
    assert "here: it has no label and passed through untouched" in explain(run.store, "r8").text


def test_an_unknown_row_names_the_nearest(folder: Path) -> None:
    run = pets(folder)
    with pytest.raises(BadInput, match=r"no run has seen a row 'r44'; nearest: r4, r0, r1"):
        explain(run.store, "r44")


def test_a_row_of_two_data_sets_asks_which(folder: Path) -> None:
    run = pets(folder)
    small_run(folder, PETS, {}, dataset="farm", run_id="bbbbbbbbbbbb").tag()
    with pytest.raises(BadInput, match="lies in several data sets"):
        explain(run.store, "r4")
    assert explain(run.store, "r4", "farm").detail["dataset"] == "farm"
