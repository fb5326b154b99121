"""The views: what a reviewer and an auditor see in any SQL tool."""

from pathlib import Path

import pyarrow as pa
import pytest

from culpa.tasks import views
from culpa.tasks.evidence import SCHEMA
from culpa.tasks.reviews.decide import decide
from culpa.tasks.store import connect
from tests.tasks.small_store import HARMFUL, PET_SCORES, PETS, ask, pets, small_run


def columns(store: Path, view: str) -> list[str]:
    with connect(store, read_only=True) as connection:
        return connection.sql(f"SELECT * FROM {view}").columns


def test_flagged_shows_the_most_suspicious_first_beside_the_rows_own_columns(folder: Path) -> None:
    run = pets(folder)
    found = ask(run.store, "SELECT row_id, tag, given_label, suggested_label, suspicion, weight, label FROM flagged")
    assert found == [
        ("r4", "mislabeled", "dog", "cat", 3.0, 4.5, "dog"),
        ("r7", "systematic_error", "cat", "dog", 2.0, 33.0, "cat"),
        ("r5", "rare_but_useful", "cat", None, -3.0, 3.9, "cat"),
    ]


def test_flagged_tells_the_evidence_with_the_other_rows_labels(folder: Path) -> None:
    run = small_run(folder, PETS, PET_SCORES)
    lines = [
        {
            "row_id": "r4",
            "kind": "outvoted_by",
            "rank": 2,
            "other_row_id": "r1",
            "other_is_reference": False,
            "value": 0.25,
        },
        {
            "row_id": "r4",
            "kind": "outvoted_by",
            "rank": 1,
            "other_row_id": "r0",
            "other_is_reference": False,
            "value": 0.5,
        },
    ]
    run.tag(evidence=pa.Table.from_pylist(lines, schema=SCHEMA))
    assert ask(run.store, "SELECT row_id, evidence FROM flagged WHERE evidence IS NOT NULL") == [
        ("r4", "outvoted_by r0 (cat) 0.5; outvoted_by r1 (cat) 0.25")
    ]


def test_columns_named_like_ours_appear_as_data_columns(folder: Path) -> None:
    names = [*sorted(views.OURS), "Tag", "data_tag"]
    table = pa.table(
        {"id": ["a", "b", "c"], "label": ["x", "y", "x"], **{name: [1, 2, 3] for name in names if name != "Tag"}}
    )
    run = small_run(folder, table, {"c": HARMFUL})
    run.tag()
    shown = columns(run.store, "review_queue")
    assert [name for name in shown if name in views.OURS] == shown[: len(views.OURS) - 1]  # `run` is the quarantine's
    assert {f"data_{name}" for name in views.OURS - {"tag"}} < set(shown)
    assert "data_tag" in shown
    assert "data_data_tag" in shown
    for view in ("review_queue", "clean_rows", "quarantine"):
        assert ask(run.store, f"SELECT count(data_loss) FROM {view}") == [(2 if view == "clean_rows" else 1,)]


def test_ours_lists_every_column_of_our_views(folder: Path) -> None:
    run = pets(folder)
    for view in ("flagged", "review_queue", "clean_rows", "quarantine"):
        assert set(columns(run.store, view)) - set(PETS.column_names) <= views.OURS


def test_the_review_queue_holds_what_no_person_has_settled(folder: Path) -> None:
    run = pets(folder)
    assert ask(run.store, "SELECT row_id FROM review_queue") == [("r4",), ("r7",), ("r5",)]
    decide(run.store, ["r4"], "drop", by="ann")
    assert ask(run.store, "SELECT row_id FROM review_queue") == [("r7",), ("r5",)]
    assert ask(run.store, "SELECT decision, reviewed_by, decision_state FROM flagged WHERE row_id = 'r4'") == [
        ("drop", "ann", "valid")
    ]


def test_clean_rows_and_quarantine_are_the_input_before_anything_is_published(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r7"], "relabel", "dog", by="ann")
    assert ask(run.store, "SELECT id, label FROM clean_rows WHERE id IN ('r6', 'r7')") == [("r6", "dog"), ("r7", "dog")]
    assert columns(run.store, "quarantine") == [*PETS.column_names, "row_id", "tag", "reason", "run"]
    assert ask(run.store, "SELECT id FROM quarantine") == [("r4",)]
    assert ask(run.store, "SELECT (SELECT count(*) FROM clean_rows) + (SELECT count(*) FROM quarantine)") == [(10,)]


def test_each_data_set_keeps_its_own_flagged_view(folder: Path) -> None:
    run = pets(folder)
    farm = pa.table({"id": ["a", "b"], "label": ["x", "y"], "milk": [1.0, 2.0]})
    small_run(folder, farm, {"b": HARMFUL}, dataset="farm", run_id="bbbbbbbbbbbb").tag()
    assert ask(run.store, "SELECT row_id, milk FROM flagged") == [("b", 2.0)]  # of the run flagged last
    assert ask(run.store, "SELECT row_id, weight FROM flagged_pets LIMIT 1") == [("r4", 4.5)]
    assert ask(run.store, "SELECT DISTINCT dataset FROM issue_summary ORDER BY 1") == [("farm",), ("pets",)]


def test_the_issue_summary_counts_tags_by_label_and_duplicates_that_disagree(folder: Path) -> None:
    run = pets(folder)
    with connect(run.store) as connection:
        connection.execute("UPDATE rows SET duplicate_group = 7 WHERE row_id IN ('r0', 'r1', 'r2')")
    decide(run.store, ["r7"], "keep", by="ann")
    found = ask(
        run.store, "SELECT issue, label, rows, groups, droppable, decided, dropped FROM issue_summary ORDER BY issue"
    )
    assert found == [
        ("duplicates_disagree", None, 3, 1, 0, 0, 0),
        ("mislabeled", "dog", 1, None, 1, 0, 1),
        ("rare_but_useful", "cat", 1, None, 0, 0, 0),
        ("systematic_error", "cat", 1, None, 1, 1, 0),
    ]


def history(store: Path, row: str) -> list[tuple[str, str, str]]:
    return ask(store, "SELECT run_id, outcome, why FROM row_history WHERE row_id = ? ORDER BY created_at", [row])


def test_the_history_says_why_a_row_is_here_or_gone(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r0"], "drop", by="ann", note="a toy")
    assert history(run.store, "r0")[0][1:] == ("dropped", "would go: drop by ann: a toy")
    run.publish(max_drop=0.5)
    whys = {row: history(run.store, row)[0][1:] for row in ("r0", "r1", "r4", "r5", "r8")}
    assert whys["r0"] == ("dropped", "gone: drop by ann: a toy")
    assert whys["r1"] == ("passed", "here: nothing speaks against it")
    assert whys["r4"][0] == "dropped"
    assert whys["r4"][1].startswith("gone: contradicted out of sample")
    assert whys["r5"][1].startswith("here, though flagged: the model needs the row itself")
    assert whys["r8"] == ("passed", "here: it has no label and passed through untouched")


def test_the_history_of_a_publish_is_not_rewritten_by_later_decisions(folder: Path) -> None:
    run = pets(folder)
    run.publish()
    decide(run.store, ["r4"], "relabel", "cat", by="ann")
    found = ask(run.store, "SELECT outcome, outcome_now FROM row_history WHERE row_id = 'r4'")
    assert found == [("dropped", "relabelled")]
    run.publish()
    assert history(run.store, "r4")[0][1] == "relabelled"


def test_the_history_follows_a_row_through_the_runs_of_its_data_set(folder: Path) -> None:
    run = pets(folder)
    run.publish()
    changed = PETS.slice(5).set_column(1, "weight", pa.array([1.0] * 5))
    small_run(folder, changed, {}, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00").tag()
    assert [line[:2] for line in history(run.store, "r4")] == [
        ("aaaaaaaaaaaa", "dropped"),
        ("bbbbbbbbbbbb", "not in the input"),
    ]
    found = ask(run.store, "SELECT content_changed FROM row_history WHERE row_id = 'r6' ORDER BY created_at")
    assert found == [(False,), (True,)]
    small_run(folder, PETS, {}, run_id="cccccccccccc", at="2026-03-01 00:00:00")
    assert history(run.store, "r6")[-1][1:] == ("not judged yet", "here: the run has not been flagged yet")


@pytest.mark.parametrize("name", ["my-data.v2", "it's {run}", "select"])
def test_any_data_set_name_makes_a_view(folder: Path, name: str) -> None:
    run = pets(folder, dataset=name)
    with connect(run.store, read_only=True) as connection:
        assert len(connection.sql(f'SELECT * FROM "flagged_{name}"').fetchall()) == 3
