"""The views over batches: each shows the whole present data set, every row once, as the run flagged last has it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from culpa.tasks.errors import BadInput
from culpa.tasks.explain import explain
from culpa.tasks.groups import groups_of
from culpa.tasks.report import write_report
from culpa.tasks.reviews.decide import decide
from tests.tasks.small_store import HARMFUL, PETS, SmallRun, ask, come_onto, pets, small_run

FULL, FIRST, SECOND = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"


def pets_of(ids: list[str], weights: list[float], labels: list[str]) -> pa.Table:
    return pa.table({"id": ids, "weight": weights, "label": labels}, schema=PETS.schema)


def batch(folder: Path, table: pa.Table, scores: dict[str, dict[str, float]], run_id: str, at: str) -> SmallRun:
    run = small_run(folder, table, scores, run_id=run_id, at=at)
    run.tag()
    return come_onto(run, FULL)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """Ten pets; then a batch of two new ones, of which n1 is mislabeled; then a heavier r4, and n0 as it was."""
    folder = tmp_path_factory.mktemp("grown")
    run = pets(folder)
    decide(run.store, ["r4"], "keep", by="ann")
    batch(folder, pets_of(["n0", "n1"], [4.1, 31.0], ["cat", "cat"]), {"n1": HARMFUL}, FIRST, "2026-02-01")
    second = pets_of(["n0", "r4"], [4.1, 29.0], ["cat", "dog"])
    batch(folder, second, {"r4": {**HARMFUL, "suspicion": 9.0}}, SECOND, "2026-03-01")
    return run


@pytest.fixture
def grown(template: SmallRun, folder: Path) -> SmallRun:
    """The same as a store of the test's own."""
    shutil.copy(template.store, folder)
    return replace(template, store=folder / template.store.name)


def test_current_runs_are_the_full_run_and_its_batches_in_the_order_of_flagging(grown: SmallRun) -> None:
    assert ask(grown.store, "SELECT run_id, turn FROM current_runs ORDER BY turn") == [
        (FULL, 1),
        (FIRST, 2),
        (SECOND, 3),
    ]
    assert ask(grown.store, "SELECT run_id FROM latest_runs") == [(SECOND,)]


def test_every_present_row_is_shown_once_from_the_run_that_was_flagged_last(grown: SmallRun) -> None:
    held = dict(ask(grown.store, "SELECT row_id, run_id FROM current_rows"))
    assert ask(grown.store, "SELECT count(*) FROM current_rows") == [(12,)]
    assert held == {**{f"r{i}": FULL for i in range(10)}, "r4": SECOND, "n0": SECOND, "n1": FIRST}


def test_a_run_that_is_not_flagged_yet_and_a_batch_onto_an_older_run_are_not_present(
    grown: SmallRun, folder: Path
) -> None:
    small_run(folder, PETS.slice(9), {}, run_id="dddddddddddd", at="2026-04-01 00:00:00")
    assert ask(grown.store, "SELECT count(*) FROM current_runs") == [(3,)]
    small_run(folder, PETS.slice(5), {}, run_id="eeeeeeeeeeee", at="2026-05-01 00:00:00").tag()
    assert ask(grown.store, "SELECT run_id FROM current_runs") == [("eeeeeeeeeeee",)]
    assert ask(grown.store, "SELECT count(*) FROM current_rows") == [(5,)]
    assert ask(grown.store, "SELECT row_id, state FROM current_decisions") == [("r4", "gone")]


def test_a_decision_turns_stale_when_a_batch_changes_its_row(grown: SmallRun) -> None:
    assert ask(grown.store, "SELECT row_id, state, run_id FROM current_decisions") == [("r4", "stale", SECOND)]
    assert ask(grown.store, "SELECT decision_state, must_see FROM review_queue WHERE row_id = 'r4'") == [
        ("stale", True)
    ]


def test_a_decision_on_a_row_that_no_batch_holds_stays_valid(grown: SmallRun) -> None:
    decide(grown.store, ["r7", "n1"], "keep", by="ann")
    assert ask(grown.store, "SELECT row_id, state FROM current_decisions ORDER BY row_id") == [
        ("n1", "valid"), ("r4", "stale"), ("r7", "valid")
    ]  # fmt: skip


def test_a_decision_made_now_is_about_the_newest_content(grown: SmallRun) -> None:
    decide(grown.store, ["r4"], "keep", by="bob")
    assert ask(grown.store, "SELECT state, reviewed_by FROM current_decisions") == [("valid", "bob")]
    with pytest.raises(BadInput, match=r"unknown rows: 'x1' \(nearest"):
        decide(grown.store, ["x1"], "keep", by="bob")


def test_flagged_and_the_queue_show_rows_of_all_current_runs_with_their_own_data(grown: SmallRun) -> None:
    found = ask(grown.store, "SELECT row_id, run_id, weight FROM flagged")
    assert found == [("r4", SECOND, 29.0), ("n1", FIRST, 31.0), ("r7", FULL, 33.0), ("r5", FULL, 3.9)]
    assert found == ask(grown.store, "SELECT row_id, run_id, weight FROM flagged_pets")
    assert {row for (row,) in ask(grown.store, "SELECT row_id FROM review_queue_pets")} == {"r4", "n1", "r7", "r5"}


def test_clean_rows_and_quarantine_together_are_the_present_data_in_the_order_it_came(grown: SmallRun) -> None:
    clean = ask(grown.store, "SELECT id, weight FROM clean_rows")
    assert [row for row, _ in clean] == ["r0", "r1", "r2", "r3", "r5", "r6", "r8", "r9", "n0"]
    assert ask(grown.store, "SELECT id, weight, run FROM quarantine") == [
        ("r7", 33.0, FULL), ("n1", 31.0, FIRST), ("r4", 29.0, SECOND)
    ]  # fmt: skip


def test_a_batch_whose_columns_have_other_types_is_shown_beside_the_full_run(folder: Path) -> None:
    whole = pa.table({"id": ["a", "b"], "weight": [1, 2], "label": ["x", "y"]})
    run = small_run(folder, whole, {})
    run.tag()
    broken = pa.table({"id": ["c", "b"], "weight": [0.5, 2.5], "label": ["y", "y"], "colour": ["red", None]})
    batch(folder, broken, {}, FIRST, "2026-02-01")
    assert ask(run.store, "SELECT id, weight, colour FROM clean_rows") == [
        ("a", 1.0, None), ("c", 0.5, "red"), ("b", 2.5, None)
    ]  # fmt: skip


def test_a_row_of_the_same_content_in_two_data_tables_is_shown_once(folder: Path) -> None:
    run = pets(folder)
    batch(folder, PETS.slice(0, 2), {}, FIRST, "2026-02-01")
    assert ask(run.store, "SELECT count(*), count(DISTINCT id) FROM clean_rows") == [(8, 8)]


def test_the_issue_summary_counts_each_present_row_once_under_the_full_run(grown: SmallRun) -> None:
    found = ask(grown.store, "SELECT run_id, issue, label, rows, dropped FROM issue_summary ORDER BY issue, label")
    assert found == [
        (FULL, "rare_but_useful", "cat", 1, 0),
        (FULL, "systematic_error", "cat", 2, 2),  # r7 of the full run, n1 of the first batch
        (FULL, "systematic_error", "dog", 1, 1),  # r4 as the second batch has it, where it was mislabeled before
    ]


def test_a_batch_does_not_say_that_a_row_it_never_held_is_gone(grown: SmallRun, folder: Path) -> None:
    runs = "SELECT run_id, outcome FROM row_history WHERE row_id = ? ORDER BY created_at"
    assert [run for run, _ in ask(grown.store, runs, ["r0"])] == [FULL]
    assert [run for run, _ in ask(grown.store, runs, ["r4"])] == [FULL, SECOND]
    assert ask(grown.store, "SELECT content_changed FROM row_history WHERE row_id = 'r4' ORDER BY created_at") == [
        (False,), (True,)
    ]  # fmt: skip
    small_run(folder, PETS.slice(5), {}, run_id="eeeeeeeeeeee", at="2026-05-01 00:00:00").tag()
    assert ask(grown.store, runs, ["r0"])[-1] == ("eeeeeeeeeeee", "not in the input")


def test_explain_groups_and_report_answer_for_a_batch(grown: SmallRun) -> None:
    said = explain(grown.store, "r4").text
    assert said.index(f"run {SECOND}") < said.index(f"run {FULL}")
    assert "its content differs from the run before" in said
    assert f"run {FIRST}" not in said
    assert [one["rows"] for one in groups_of(grown.store, "label")] == [1, 1]
    assert "r4" in write_report(grown.store, SECOND).read_text(encoding="utf-8")
