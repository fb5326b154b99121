"""People's decisions: they beat every tag, survive rescoring, turn stale with the content, work in plain SQL."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from culpa.tasks.errors import BadInput
from culpa.tasks.reviews.decide import decide, decide_from_csv
from culpa.tasks.store import transaction
from tests.tasks.small_store import HARMFUL, PET_SCORES, PETS, SmallRun, ask, pets, small_run


def states(run: SmallRun) -> list[tuple[str, str, str, bool]]:
    return ask(run.store, "SELECT row_id, decision, state, stale FROM current_decisions ORDER BY row_id")


def clean_ids(run: SmallRun) -> list[str]:
    return [
        str(row) for row in pq.read_table(run.publish(max_drop=1.0, max_drop_per_class=1.0).clean)["id"].to_pylist()
    ]


def plain_sql(run: SmallRun, sql: str) -> None:
    with transaction(run.store) as connection:
        connection.execute(sql)


def test_a_person_beats_every_tag(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r4"], "keep", by="ann", note="a fluffy dog")
    decide(run.store, ["r0"], "drop", by="bob")
    assert clean_ids(run) == ["r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9"]
    assert ask(run.store, "SELECT row_id, outcome, decision_id FROM outcomes ORDER BY row_id") == [
        ("r0", "dropped", 2),
        ("r4", "kept", 1),
        ("r7", "dropped", None),
    ]


def test_the_last_decision_on_a_row_counts_and_all_stay_in_the_store(folder: Path) -> None:
    run = pets(folder)
    for decision in ("keep", "drop", "keep"):
        decide(run.store, ["r4"], decision, by="ann")
    assert states(run) == [("r4", "keep", "valid", False)]
    assert ask(run.store, "SELECT decision FROM decisions ORDER BY decision_id") == [("keep",), ("drop",), ("keep",)]


def test_a_relabel_keeps_the_row_under_its_new_label(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r4"], "relabel", "cat", by="ann")
    clean = pq.read_table(run.publish().clean)
    assert dict(zip(clean["id"].to_pylist(), clean["label"].to_pylist(), strict=True))["r4"] == "cat"
    assert ask(run.store, "SELECT label FROM clean_rows WHERE row_id = 'r4'") == [("cat",)]
    assert ask(run.store, "SELECT given_label FROM rows WHERE row_id = 'r4'") == [
        ("dog",)
    ]  # the data as ingested stays


def test_a_deferred_row_waits_in_the_queue_and_the_rule_stands(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r4"], "defer", by="ann")
    assert states(run) == [("r4", "defer", "deferred", False)]
    assert ask(run.store, "SELECT decision_state FROM review_queue WHERE row_id = 'r4'") == [("deferred",)]
    assert "r4" not in clean_ids(run)


def test_a_decision_survives_rescoring(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r4"], "keep", by="ann")
    again = small_run(folder, PETS, PET_SCORES, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00")
    again.tag()
    assert states(again) == [("r4", "keep", "valid", False)]
    assert "r4" in clean_ids(again)


def test_a_decision_turns_stale_when_the_content_changes_and_valid_when_it_comes_back(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r4"], "keep", by="ann")
    changed = PETS.set_column(
        1, "weight", pa.array([*PETS["weight"].to_pylist()[:4], 99.0, *PETS["weight"].to_pylist()[5:]])
    )
    new = small_run(folder, changed, PET_SCORES, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00")
    new.tag()
    assert states(new) == [("r4", "keep", "stale", True)]
    assert ask(new.store, "SELECT decision_state FROM review_queue WHERE row_id = 'r4'") == [("stale",)]
    assert "r4" not in clean_ids(new)
    assert "r4" in clean_ids(run)  # the older run still holds the content that was decided on
    old = small_run(folder, PETS, PET_SCORES, run_id="cccccccccccc", at="2026-03-01 00:00:00")
    old.tag()
    assert states(old) == [("r4", "keep", "valid", False)]


def test_a_decision_on_a_row_that_has_left_the_data_is_shown_as_gone(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r4"], "drop", by="ann")
    small_run(folder, PETS.slice(5), {}, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00").tag()
    assert states(run) == [("r4", "drop", "gone", False)]


def test_a_decision_in_plain_sql_needs_only_row_decision_and_name(folder: Path) -> None:
    run = pets(folder)
    plain_sql(
        run, "INSERT INTO decisions (row_id, decision, reviewed_by) VALUES ('r4', 'keep', 'ann'), ('r0', 'drop', 'ann')"
    )
    assert states(run) == [("r0", "drop", "valid", False), ("r4", "keep", "valid", False)]
    assert clean_ids(run) == ["r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9"]
    assert ask(run.store, "SELECT decision_id, reviewed_at IS NOT NULL FROM decisions") == [(1, True), (2, True)]


def test_a_decision_in_plain_sql_is_about_the_row_as_it_stood_then(folder: Path) -> None:
    run = pets(folder)
    plain_sql(run, "INSERT INTO decisions (row_id, decision, reviewed_by) VALUES ('r4', 'keep', 'ann')")
    changed = PETS.set_column(1, "weight", pa.array([weight + 1 for weight in PETS["weight"].to_pylist()]))
    new = small_run(folder, changed, PET_SCORES, run_id="bbbbbbbbbbbb", at="2026-02-01 00:00:00")
    new.tag()
    assert states(new) == [("r4", "keep", "stale", True)]
    plain_sql(new, "INSERT INTO decisions (row_id, decision, reviewed_by) VALUES ('r4', 'keep', 'ann')")
    assert states(new) == [("r4", "keep", "valid", False)]


def test_a_decision_in_plain_sql_on_a_name_of_several_data_sets_is_shown_and_applied_to_none(folder: Path) -> None:
    run = pets(folder)
    plain_sql(run, "INSERT INTO decisions (row_id, decision, reviewed_by) VALUES ('r3', 'keep', 'ann')")
    other = small_run(folder, PETS, {}, dataset="farm", run_id="bbbbbbbbbbbb", at="2100-01-01 00:00:00")
    other.tag()
    early = (
        "INSERT INTO decisions (row_id, decision, reviewed_by, reviewed_at) VALUES ('r4', 'keep', 'ann', '2200-01-01')"
    )
    plain_sql(run, early)
    assert sorted(states(run)) == [("r3", "keep", "valid", False), ("r4", "keep", "ambiguous", False)]
    plain_sql(run, early.replace("row_id, decision,", "dataset, row_id, decision,").replace("('r4'", "('farm', 'r4'"))
    assert ("r4", "keep", "valid", False) in states(run)


def test_a_decision_in_plain_sql_on_no_known_row_is_shown_and_harmless(folder: Path) -> None:
    run = pets(folder)
    plain_sql(run, "INSERT INTO decisions (row_id, decision, reviewed_by) VALUES ('r99', 'drop', 'ann')")
    assert states(run) == [("r99", "drop", "unknown row", False)]
    assert run.publish().counts["dropped"] == 2


def test_unknown_rows_are_named_with_the_nearest_and_nothing_is_written(folder: Path) -> None:
    run = pets(folder)
    with pytest.raises(BadInput, match=r"1 unknown rows: 'r44' \(nearest: r4, r0, r1\); nothing was written"):
        decide(run.store, ["r4", "r44"], "keep", by="ann")
    assert states(run) == []


@pytest.mark.parametrize(
    ("decision", "label", "by", "message"),
    [
        ("remove", None, "ann", "the decision is 'remove', needed one of keep, drop, relabel, defer"),
        ("relabel", None, "ann", "relabel needs a new label, and only relabel takes one; got None"),
        ("keep", "cat", "ann", "only relabel takes one; got 'cat'"),
        ("relabel", "cow", "ann", r"'r4': the new label 'cow' is no class of this data set \(cat, dog\)"),
        ("keep", None, "  ", "nobody answers for it; give a name with --by"),
    ],
)
def test_a_decision_that_cannot_be_is_refused(
    folder: Path, decision: str, label: str | None, by: str, message: str
) -> None:
    run = pets(folder)
    with pytest.raises(BadInput, match=message):
        decide(run.store, ["r4"], decision, label, by=by)
    assert states(run) == []


def test_a_regression_target_must_be_a_number(folder: Path) -> None:
    run = small_run(folder, pa.table({"id": ["a", "b"], "label": [1.0, 2.0]}), {"b": HARMFUL}, task="regression")
    run.tag()
    with pytest.raises(BadInput, match="the new label 'tall' is no number"):
        decide(run.store, ["b"], "relabel", "tall", by="ann")
    decide(run.store, ["b"], "relabel", "1.5", by="ann")
    assert states(run) == [("b", "relabel", "valid", False)]


def test_a_trusted_row_cannot_be_dropped_by_decision(folder: Path) -> None:
    run = pets(folder, trusted=True, reference_ids=["r0"])
    with pytest.raises(BadInput, match="'r0': the row is one of the trusted reference rows"):
        decide(run.store, ["r0"], "drop", by="ann")


def test_no_row_and_no_flagged_run_are_said(folder: Path) -> None:
    run = small_run(folder, PETS, {})
    with pytest.raises(BadInput, match="no flagged run in this store yet"):
        decide(run.store, ["r4"], "keep", by="ann")
    with pytest.raises(BadInput, match="no row to decide on"):
        decide(run.store, [], "keep", by="ann")


def test_a_row_of_two_data_sets_needs_the_data_sets_name(folder: Path) -> None:
    run = pets(folder)
    small_run(folder, PETS, {}, dataset="farm", run_id="bbbbbbbbbbbb").tag()
    with pytest.raises(BadInput, match=r"row 'r4' lies in several data sets \(farm, pets\): name one with --dataset"):
        decide(run.store, ["r4"], "keep", by="ann")
    decide(run.store, ["r4"], "keep", by="ann", dataset="pets")
    assert ask(run.store, "SELECT dataset, state FROM current_decisions") == [("pets", "valid")]


def test_decisions_come_from_a_csv_file(folder: Path) -> None:
    run = pets(folder)
    (folder / "decisions.csv").write_text(
        "row_id,decision,new_label,reviewed_by,note\n"
        'r4,relabel,cat,ann,"small, says miaow"\nr7,keep,,,\nr0,drop,,bob,\n'
    )
    decided = decide_from_csv(run.store, folder / "decisions.csv", by="cleo")
    assert (decided.rows, decided.by_decision) == (3, {"drop": 1, "keep": 1, "relabel": 1})
    assert ask(
        run.store, "SELECT row_id, decision, new_label, reviewed_by, note FROM decisions ORDER BY decision_id"
    ) == [
        ("r4", "relabel", "cat", "ann", "small, says miaow"),
        ("r7", "keep", None, "cleo", None),
        ("r0", "drop", None, "bob", None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row_id,decision\nr4,keep\n", "line 2: nobody answers for it"),
        ("row,decision\nr4,keep\n", "has the columns row, decision: needed row_id and decision"),
        ("row_id,decision,reviewed_by\nr4,keep,ann\nr5,maybe,ann\n", "line 3: the decision is 'maybe'"),
        ("row_id,decision,new_label,reviewed_by\nr4,relabel,cow,ann\n", "line 2: the new label 'cow'"),
        ("row_id,decision,reviewed_by\nr4,keep,ann\nx9,keep,ann\n", r"unknown rows: 'x9' \(nearest"),
    ],
)
def test_a_csv_file_with_a_mistake_writes_nothing_and_names_the_line(folder: Path, text: str, message: str) -> None:
    run = pets(folder)
    (folder / "decisions.csv").write_text(text)
    with pytest.raises(BadInput, match=message):
        decide_from_csv(run.store, folder / "decisions.csv")
    assert states(run) == []


def test_a_csv_file_that_is_not_there_says_so(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read decisions from none\.csv"):
        decide_from_csv(pets(folder).store, Path("none.csv"), by="ann")


def test_row_ids_that_look_like_numbers_stay_as_they_are(folder: Path) -> None:
    table = pa.table({"id": ["007", "008"], "label": ["a", "b"]})
    run = small_run(folder, table, {})
    run.tag()
    (folder / "decisions.csv").write_text("row_id,decision,reviewed_by\n007,keep,ann\n")
    decide_from_csv(run.store, folder / "decisions.csv")
    assert states(run) == [("007", "keep", "valid", False)]


def test_reviewer_and_time_are_filled_in_where_plain_sql_leaves_them_out(folder: Path) -> None:
    run = pets(folder)
    plain_sql(run, "INSERT INTO decisions (row_id, decision) VALUES ('r4', 'keep')")
    plain_sql(run, "SET VARIABLE reviewer = 'ann'; INSERT INTO decisions (row_id, decision) VALUES ('r7', 'keep')")
    found = ask(
        run.store,
        "SELECT row_id, reviewed_by, now() AT TIME ZONE 'UTC' - reviewed_at < INTERVAL 1 MINUTE FROM decisions",
    )
    user = ask(run.store, "SELECT current_user")[0][0]
    assert found == [("r4", user, True), ("r7", "ann", True)]
    assert [state for *_, state, _ in states(run)] == ["valid", "valid"]


@pytest.mark.parametrize(
    "values",
    [
        "('r4', 'remove', NULL, 'ann')",
        "('r4', 'relabel', NULL, 'ann')",
        "('r4', 'keep', 'cat', 'ann')",
        "('r4', 'keep', NULL, '  ')",
        "('r4', 'keep', NULL, NULL)",
        "(NULL, 'keep', NULL, 'ann')",
    ],
)
def test_plain_sql_cannot_write_a_decision_that_cannot_be(folder: Path, values: str) -> None:
    run = pets(folder)
    with pytest.raises(duckdb.ConstraintException):
        plain_sql(run, f"INSERT INTO decisions (row_id, decision, new_label, reviewed_by) VALUES {values}")
    assert states(run) == []
