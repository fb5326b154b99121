"""The guards refuse, with numbers and a cure, before anything is written."""

from pathlib import Path

import pytest

from culpa.tasks.errors import BadInput, Refused
from culpa.tasks.publishing.publish import publish
from culpa.tasks.reviews.decide import decide
from culpa.tasks.store import transaction
from tests.tasks.small_store import HARMFUL, PET_SCORES, SmallRun, ask, pets


def refusal(run: SmallRun, **guards: float) -> str:
    """What a guard says; afterwards nothing lies there and the run is as before."""
    with pytest.raises(Refused) as refused:
        run.publish(**guards)
    assert not list(run.store.parent.glob("cleaned*"))
    assert ask(run.store, "SELECT state, out FROM runs") == [("flagged", None)]
    return str(refused.value)


def test_dropping_more_than_allowed_is_refused_and_never_cut_short(folder: Path) -> None:
    message = refusal(pets(folder), max_drop=0.2)
    assert "2 of 9 labelled rows (22.2%) would be dropped, max_drop allows 20.0%" in message
    assert "--max-drop 0.23" in message


def test_the_share_that_the_refusal_names_is_enough(folder: Path) -> None:
    assert pets(folder).publish(max_drop=0.23).counts["dropped"] == 2


def test_dropping_too_much_of_one_class_is_refused(folder: Path) -> None:
    message = refusal(pets(folder), max_drop_per_class=0.2)
    assert "1 classes would lose more than max_drop_per_class 20.0% ('cat' 1 of 4)" in message
    assert "--max-drop-per-class 0.25" in message


def test_all_guards_that_speak_are_heard_at_once(folder: Path) -> None:
    message = refusal(pets(folder), max_drop=0.0, max_drop_per_class=0.0)
    assert "max_drop allows 0.0%" in message
    assert "2 classes would lose more" in message


def test_what_people_drop_counts_as_well(folder: Path) -> None:
    run = pets(folder)
    decide(run.store, ["r0", "r1"], "drop", by="ann")
    assert "4 of 9 labelled rows" in refusal(run, max_drop_per_class=1.0)


def test_a_trusted_row_is_never_dropped_by_the_rule(folder: Path) -> None:
    run = pets(folder, trusted=True, reference_ids=["r4"])
    published = run.publish()
    assert published.counts["dropped"] == 1
    assert ask(run.store, "SELECT row_id FROM outcomes") == [("r7",)]


def test_a_decision_against_a_trusted_row_is_refused(folder: Path) -> None:
    run = pets(folder, trusted=True, reference_ids=["r0"])
    with transaction(run.store) as connection:
        connection.execute("INSERT INTO decisions (row_id, decision, reviewed_by) VALUES ('r0', 'drop', 'ann')")
    assert "1 reference rows would be changed (r0): trusted rows are never touched" in refusal(run)
    decide(run.store, ["r0"], "keep", by="ann")
    assert run.publish().counts["dropped"] == 2


@pytest.mark.parametrize(("label", "needed"), [("cta", "one of cat, dog"), ("", "one of cat, dog")])
def test_a_new_label_written_in_sql_that_is_no_class_stops_the_publish(folder: Path, label: str, needed: str) -> None:
    run = pets(folder)
    with transaction(run.store) as connection:
        connection.execute(
            "INSERT INTO decisions (row_id, decision, new_label, reviewed_by) VALUES ('r4', 'relabel', ?, 'ann')",
            [label],
        )
    with pytest.raises(BadInput, match=f"decision 1 makes row r4 '{label}': the new label must be {needed}"):
        run.publish()
    assert ask(run.store, "SELECT state FROM current_decisions") == [("invalid",)]
    decide(run.store, ["r4"], "relabel", "cat", by="ann")
    assert run.publish().counts["relabelled"] == 1


def test_regression_has_no_guard_per_class(folder: Path) -> None:
    import pyarrow as pa

    table = pa.table({"id": ["a", "b", "c", "d"], "label": [1.0, 2.0, 3.0, 4.0]})
    run = pets(folder, table=table, scores={"d": HARMFUL}, task="regression")
    assert run.publish(max_drop_per_class=0.0).counts["dropped"] == 1


def test_without_words_the_defaults_guard(folder: Path) -> None:
    run = pets(folder, scores={**PET_SCORES, "r0": HARMFUL})
    with pytest.raises(Refused, match=r"3 of 9 labelled rows \(33\.3%\) would be dropped, max_drop allows 20\.0%"):
        publish(run.store, run.run_id, folder / "cleaned.parquet")
