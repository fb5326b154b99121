"""Two runs side by side."""

import pytest

from culpa.tasks.errors import BadInput
from culpa.tasks.report import compare_runs
from tests.tasks.report.proven_store import ANIMALS, SCORES, proven
from tests.tasks.small_store import small_run


@pytest.fixture
def two_runs(folder):
    one = proven(folder)
    scores = {"r4": SCORES["r4"], "r0": SCORES["r5"]}  # r7 and r5 are acquitted, r0 becomes rare
    other = small_run(folder, ANIMALS, scores, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00", seed=5)
    other.tag()
    return {line["measure"]: (line["one"], line["other"]) for line in compare_runs(one.store, "aaa", "bbb")}


def test_counts_stand_side_by_side(two_runs):
    assert two_runs["run"] == ("aaaaaaaaaaaa", "bbbbbbbbbbbb")
    assert two_runs["rows"] == ("12", "12")
    assert two_runs["mislabeled"] == ("1", "1")
    assert two_runs["systematic error"] == ("1", "0")
    assert two_runs["dropped"] == ("2 (not published)", "1 (not published)")


def test_what_only_one_run_measured_is_not_a_nought_in_the_other(two_runs):
    assert two_runs["gate"] == ("passed: better", "not measured")
    assert two_runs["effect on log loss"] == ("+0.1 (0.02 to 0.2)", "not measured")
    assert two_runs["effect on macro f1"] == ("+0.04 (0.02 to 0.2)", "not measured")
    assert two_runs["estimated wrong labels"] == ("2 (1 to 4)", "not measured")
    assert two_runs["faithfulness (Spearman)"] == ("0.9 (0.7 to 0.97)", "not measured")


def test_only_settings_that_differ_are_named(two_runs):
    assert two_runs["setting seed"] == ("0", "5")
    assert sum(name.startswith("setting") for name in two_runs) == 1


def test_rows_that_changed_their_tag_are_counted_and_named(two_runs):
    assert two_runs["rows in both that changed tag"] == ("3 of 11", "")
    changed = {name: tags for name, tags in two_runs.items() if name.startswith("row ")}
    assert changed == {
        "row r0": ("neither", "rare but useful"),
        "row r5": ("rare but useful", "neither"),
        "row r7": ("systematic error", "neither"),
    }


def test_rows_that_only_one_run_calls_harmful_come_first(two_runs):
    assert next(name for name in two_runs if name.startswith("row ")) == "row r7"


def test_a_run_is_not_compared_with_itself(folder):
    run = proven(folder)
    with pytest.raises(BadInput, match="same run"):
        compare_runs(run.store, "aaa", "aaaa")
